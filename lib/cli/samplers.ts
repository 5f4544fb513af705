import { Command, Option } from 'commander'
import { dirname, join, resolve } from 'node:path'
import { given } from '../config/given.js'
import { parseConfig } from '../config/parse.js'
import { readConfig } from '../files/config_file.js'
import { writeJson } from '../files/json_file.js'
import { samplerSchema } from '../diffusion/samplers.js'
import { type Device, parseDevice } from '../tensor/device.js'
import { Transfusion } from '../transfusion.js'
import { modelFolderOf } from '../models/transfusion/io/locate.js'
import { runSamplers, type SamplersResult } from '../evaluation/tasks/run_samplers.js'
import { onInterrupt } from './terminal/interrupt.js'
import { say } from './terminal/output.js'
import {
  deviceOption,
  guidanceOption,
  numberOption,
  precisionOption,
  seedOption,
  toNumbers,
} from './options/shared.js'
import { samplersConfigSchema } from '../evaluation/tasks/samplers_config.js'
import { conclusion, tableHead, tableLine } from './terminal/samplers_table.js'

/** Options of the command line. */
export interface SamplersOptions {
  samplers?: string[]
  steps?: number[]
  guidance?: number
  perClass?: number
  seed?: number
  precision?: string
  device?: Device
  json?: string
}

export const samplersCommand = (): Command =>
  new Command('samplers')
    .description('compare samplers and numbers of steps: how few keep the quality of many')
    .argument('<model>', 'the model folder')
    .argument('[config]', 'a JSON file with options, and with the data where it is not Fashion-MNIST')
    .addOption(
      new Option(
        '--samplers <names...>',
        'by default all that suit the model; the first is the reference',
      ).choices(samplerSchema.options),
    )
    .addOption(
      new Option(
        '--steps <numbers...>',
        'by default 250 100 50 25 15 10 5; the most are the reference',
      ).argParser(toNumbers),
    )
    .addOption(guidanceOption())
    .addOption(numberOption('--per-class <number>', 'images of each class for each setting, by default 50'))
    .addOption(seedOption())
    .addOption(precisionOption())
    .addOption(deviceOption())
    .option('--json <file>', 'where the metrics go, by default samplers.json beside the model')
    .addHelpText(
      'after',
      '\nA classifier, trained on the real images, recognises the class of each generated image and gives the features in\n' +
        'which diversity (1: that of test images) and Fréchet distance (to test images, smaller is better) are measured.\n' +
        '\nExamples:\n' +
        '  transfusion samplers runs/demo/model\n' +
        '  transfusion samplers runs/demo/model --samplers ddim dpmpp --steps 100 50 20 10 --per-class 100',
    )
    .action(samplers)

/** `transfusion samplers MODEL [config.json]`: a table of samplers and steps, also written as JSON after each line. */
export async function samplers(
  named: string,
  configPath: string | undefined,
  { json, ...options }: SamplersOptions,
): Promise<void> {
  const folder = await modelFolderOf(named)
  const file = configPath === undefined ? {} : await readConfig(configPath, samplersConfigSchema)
  const merged = typeof file === 'object' && !Array.isArray(file) ? { ...file, ...given(options) } : file
  const config = parseConfig(samplersConfigSchema, merged, configPath ?? 'options')
  const { seed, precision, device, guidance } = config
  parseDevice(device, configPath ?? 'options')
  const path = json ?? join(dirname(resolve(folder)), 'samplers.json')
  using interrupt = onInterrupt('Stopping; what is measured is kept. Press Ctrl-C again to leave at once.')
  using model = await Transfusion.load(folder, { compute: precision, device })
  const signal = interrupt.signal
  let last: SamplersResult | undefined
  for await (const result of runSamplers(model, config, { signal, onMessage: say })) {
    const { data, images, samplers, reference, settings } = result
    if (!last)
      say(
        `\n${data}; ${images} images a setting, guidance ${guidance}, seed ${seed}, ${precision}\n\n` +
          tableHead(reference),
      )
    last = result
    say(tableLine(settings.at(-1)!, settings[0]!))
    await writeJson(path, { model: folder, ...config, samplers, reference, settings })
  }
  if (last) say(`\n${conclusion(last.settings, last.images)}\nMetrics: ${path}`)
}
