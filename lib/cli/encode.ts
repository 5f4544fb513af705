import { Command } from 'commander'
import { encodeLatents } from '../run/encode_latents.js'
import { deviceOption, numberOption, settingOption } from './options/shared.js'
import { EncodingLine } from './terminal/encoding_progress.js'
import { onInterrupt } from './terminal/interrupt.js'
import { say, warn } from './terminal/output.js'

/** Options of the command line. */
export interface EncodeOptions {
  out: string
  set?: string[]
  device?: string
  shard?: number
}

export const encodeCommand = (): Command =>
  new Command('encode')
    .description("encode the images of a config's data once, by its model's autoencoder")
    .argument('<config>', 'the config file of a training run, in which model.autoencoder names one')
    .option('--out <folder>', 'where shards are written, and gone on with', 'latents')
    .addOption(numberOption('--shard <number>', 'images of a shard, by default 1024'))
    .addOption(settingOption())
    .addOption(deviceOption())
    .addHelpText(
      'after',
      '\nThe same command goes on where it was stopped. To train on the latents, set data to\n' +
        '{ "type": "latents", "path": "latents" } and leave model.autoencoder as it is.\n' +
        '\nExamples:\n' +
        '  transfusion encode train.json --out latents/train --device cuda',
    )
    .action(encode)

/** `transfusion encode config.json`: see `encodeLatents`; Ctrl-C stops it, and keeps what is encoded. */
export async function encode(path: string, { out, ...options }: EncodeOptions): Promise<void> {
  using interrupt = onInterrupt('Stopping and saving; press Ctrl-C again to leave at once.', { saves: true })
  const line = new EncodingLine()
  const { complete, documents } = await encodeLatents(path, {
    out,
    ...options,
    signal: interrupt.signal,
    onMessage: say,
    onWarning: warn,
    onProgress: (now) => line.update(now),
  }).finally(() => line.stop())
  const count = documents.toLocaleString('en')
  say(
    complete
      ? `${count} documents are encoded in ${out}`
      : `Stopped after ${count} documents, which are in ${out}; the same command goes on`,
  )
}
