import { Argument, Command } from 'commander'
import { join } from 'node:path'
import { type ComparisonName, comparisons } from '../experiments/comparisons/comparisons.js'
import { type ComparisonOptions, runComparison } from '../experiments/comparisons/run_comparison.js'
import { deviceOption, numberOption } from './options/shared.js'
import { onInterrupt } from './terminal/interrupt.js'
import { say, warn } from './terminal/output.js'

/** Options of the command line. */
export type CompareOptions = Pick<ComparisonOptions, 'steps' | 'seeds' | 'perClass' | 'only' | 'device'> & {
  out?: string
}

export const compareCommand = (): Command =>
  new Command('compare')
    .description(
      "train small models that differ in one thing, as the paper's ablations do, and evaluate them",
    )
    .addArgument(new Argument('<what>', 'what they differ in').choices(Object.keys(comparisons)))
    .addOption(numberOption('--steps <number>', 'steps of training').default(1000))
    .addOption(numberOption('--seeds <number>', 'models of each kind').default(3))
    .addOption(numberOption('--per-class <number>', 'images of each class to generate').default(50))
    .addOption(deviceOption())
    .option('--only <text>', 'the variants with this in their name, e.g. 8x8')
    .option('--out <folder>', 'where metrics and pictures go, by default runs/compare-WHAT')
    .addHelpText(
      'after',
      '\nRuns that the folder has are not run again: an interrupted comparison goes on where it was.\n' +
        '\nExample:\n  transfusion compare patches --steps 1000 --seeds 3',
    )
    .action(compare)

/** `transfusion compare WHAT`: see `runComparison`. */
export async function compare(what: ComparisonName, options: CompareOptions): Promise<void> {
  using interrupt = onInterrupt('Stopping; finished runs are kept. Press Ctrl-C again to leave at once.')
  await runComparison(what, {
    ...options,
    out: options.out ?? join('runs', `compare-${what}`),
    signal: interrupt.signal,
    onMessage: say,
    onWarning: warn,
  })
}
