import { Command } from 'commander'
import { parquetToJsonl } from '../data/parquet/parquet_to_jsonl.js'
import { onInterrupt } from './terminal/interrupt.js'
import { say } from './terminal/output.js'

export const convertCommand = (): Command =>
  new Command('convert')
    .description("convert Parquet files, Hugging Face's data sets, to JSON Lines, which train and eval read")
    .argument('<files...>', 'Parquet files, whose rows are written in their order')
    .requiredOption('--out <file>', 'the JSON Lines; what it holds is replaced')
    .addHelpText(
      'after',
      '\nBinary values, of images say, become base64. Training knows images and captions by their keys (image, caption, text, messages),\n' +
        'eval --questions those of HellaSwag, PIQA, Social IQa, WinoGrande and ARC.\n' +
        '\nExample:\n  transfusion convert train-*.parquet --out train.jsonl',
    )
    .action(convert)

/** `transfusion convert FILE...`: see `parquetToJsonl`; Ctrl-C stops it, and leaves what was there. */
export async function convert(files: readonly string[], { out }: { out: string }): Promise<void> {
  using interrupt = onInterrupt('Stopping; nothing is written. Press Ctrl-C again to leave at once.')
  const rows = await parquetToJsonl(files, out, { signal: interrupt.signal })
  say(`${out}: ${rows.toLocaleString('en')} rows`)
}
