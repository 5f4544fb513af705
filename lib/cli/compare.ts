import { Argument, Command } from 'commander'
import { join } from 'node:path'
import { type ComparisonName, comparisons } from '../experiments/comparisons/comparisons.js'
import { type ComparisonOptions, runComparison } from '../experiments/comparisons/run_comparison.js'
import { compareLatents, type LatentsComparisonOptions } from '../experiments/latents/compare_latents.js'
import { deviceOption, numberOption } from './options/shared.js'
import { onInterrupt } from './terminal/interrupt.js'
import { say, warn } from './terminal/output.js'

/** Options of the command line. */
export type CompareOptions = Partial<
  Pick<ComparisonOptions, 'steps' | 'seeds' | 'perClass' | 'only' | 'device'> &
    Pick<LatentsComparisonOptions, 'minutes' | 'lpips'>
> & { out?: string }

/** Trains at equal time, where the others train for equal steps. */
const latents = 'latents'
/** Which options go with it, and with the others. */
const optionsOf = { latents: ['minutes', 'lpips'], others: ['steps', 'seeds', 'perClass', 'only'] } as const

export const compareCommand = (): Command =>
  new Command('compare')
    .description(
      "train small models that differ in one thing, as the paper's ablations do, and evaluate them",
    )
    .addArgument(
      new Argument('<what>', 'what they differ in').choices([...Object.keys(comparisons), latents]),
    )
    .addOption(numberOption('--steps <number>', 'steps of training, by default 1000'))
    .addOption(numberOption('--seeds <number>', 'models of each kind, by default 3'))
    .addOption(numberOption('--per-class <number>', 'images of each class to generate, by default 50'))
    .addOption(
      numberOption(
        '--minutes <number>',
        'of latents: time to train each model, by default 12, autoencoders counted',
      ),
    )
    .option('--lpips <file>', 'of latents: weights of LPIPS, which then compares reconstructions, too')
    .addOption(deviceOption())
    .option('--only <text>', 'the variants with this in their name, e.g. 8x8')
    .option('--out <folder>', 'where metrics and pictures go, by default runs/compare-WHAT')
    .addHelpText(
      'after',
      '\nRuns that the folder has are not run again: an interrupted comparison goes on where it was.\n' +
        '\nExamples:\n  transfusion compare patches --steps 1000 --seeds 3\n  transfusion compare latents --minutes 12',
    )
    .action(compare)

/** `transfusion compare WHAT`: see `runComparison`, and of latents `compareLatents`. */
export async function compare(what: ComparisonName | typeof latents, options: CompareOptions): Promise<void> {
  for (const name of what === latents ? optionsOf.others : optionsOf.latents)
    if (options[name] !== undefined)
      throw new RangeError(`--${name === 'perClass' ? 'per-class' : name}: does not go with "${what}"`)
  const {
    out = join('runs', `compare-${what}`),
    steps = 1000,
    seeds = 3,
    perClass = 50,
    minutes = 12,
  } = options
  const { only, device, lpips } = options
  using interrupt = onInterrupt('Stopping; what is finished is kept. Press Ctrl-C again to leave at once.')
  const common = { out, device, signal: interrupt.signal, onMessage: say, onWarning: warn }
  if (what === latents) await compareLatents({ ...common, minutes, seed: 0, lpips })
  else await runComparison(what, { ...common, steps, seeds, perClass, only })
}
