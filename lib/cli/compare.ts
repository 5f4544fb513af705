import { Argument, Command } from 'commander'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { drawContactSheet, labelledRows } from '../image/contact_sheet.js'
import type { Image } from '../image/image.js'
import { stackPngs, writePng } from '../image/image_io.js'
import { readJson, writeJson } from '../files/json_file.js'
import { makeFolder } from '../files/make_folder.js'
import {
  type References,
  referenceOf,
  type RunResult,
  runVariant,
} from '../experiments/comparisons/comparison_run.js'
import { comparisonTable } from '../experiments/comparisons/comparison_table.js'
import { type Comparison, type ComparisonName, comparisons } from '../experiments/comparisons/comparisons.js'
import { onInterrupt } from './terminal/interrupt.js'
import { deviceOption, numberOption } from './options/shared.js'
import { say, warn } from './terminal/output.js'
import type { Device } from '../tensor/device.js'
import { lockRun } from '../run/run_folder.js'

/** Options of the command line. */
export interface CompareOptions {
  steps: number
  seeds: number
  perClass: number
  /** Variants whose name has this in it. */
  only?: string
  out?: string
  device?: Device
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

/** `transfusion compare WHAT`: a table, a sheet of pictures and the metrics of each run. */
export async function compare(what: ComparisonName, options: CompareOptions): Promise<void> {
  const { steps, seeds, perClass, out = join('runs', `compare-${what}`) } = options
  for (const [name, value, least] of [
    ['steps', steps, 4],
    ['seeds', seeds, 1],
    ['per-class', perClass, 10],
  ] as const)
    if (!Number.isInteger(value) || value < least)
      throw new RangeError(`--${name}: expected an integer of at least ${least}, received ${value}`)
  const comparison: Comparison = comparisons[what]
  const chosen = comparison.variants.filter(({ name }) => name.includes(options.only ?? ''))
  // With those that they are trained as long as.
  const variants = comparison.variants.filter(
    (variant) => chosen.includes(variant) || chosen.some(({ asLongAs }) => asLongAs === variant.name),
  )
  if (variants.length === 0)
    throw new RangeError(
      `--only: expected a part of ${comparison.variants.map(({ name }) => `"${name}"`).join(', ')}, ` +
        `received "${options.only}"`,
    )
  await using _ = await lockRun(out, 'comparing', warn)
  const folder = join(out, 'runs')
  await makeFolder(folder)
  using interrupt = onInterrupt('Stopping; finished runs are kept. Press Ctrl-C again to leave at once.')
  const references: References = new Map()
  const results: RunResult[] = []
  const sheets: string[] = []
  const cases = Array.from({ length: seeds }, (_, seed) =>
    variants.map((variant) => ({ variant, seed })),
  ).flat()
  try {
    for (const { variant, seed } of cases) {
      const name = variant.name.replaceAll(/[^\w]+/g, '-')
      const path = join(folder, `${name}-${steps}-seed${seed}.json`)
      const sheet = path.replace(/json$/, 'png')
      if (seed === 0) sheets.push(sheet)
      const known = await finished(path)
      if (known) {
        results.push(known)
        continue
      }
      say(`${variant.name}, seed ${seed} ...`)
      const reference = await referenceOf(references, variant.padding ?? 0, interrupt.signal)
      const model = results.find((run) => run.variant === variant.asLongAs && run.seed === seed)
      const length = model ? { seconds: model.points.at(-1)!.seconds } : { steps }
      const { result, images } = await runVariant(variant, reference, {
        seed,
        ...length,
        perClass,
        device: options.device,
        signal: interrupt.signal,
      })
      await writePng(sheet, sheetOf(variant.name, images, reference.data.captions))
      await writeJson(path, result)
      results.push(result)
      await writeFile(join(out, 'table.md'), comparisonTable(comparison, results))
    }
  } finally {
    for (const { reference } of references.values()) reference[Symbol.dispose]()
  }
  const table = comparisonTable(comparison, results)
  await writeFile(join(out, 'table.md'), table)
  await stackPngs(sheets, join(out, 'samples.png'))
  say(`\n${table}\nTable: ${join(out, 'table.md')}   metrics and pictures of each run: ${folder}`)
}

/** What an earlier run of the command wrote. */
const finished = async (path: string): Promise<RunResult | undefined> =>
  ((await readJson(path, false)) || undefined) as RunResult | undefined

/** Pictures of each caption in a row. */
const sheetOf = (title: string, images: readonly Image[], captions: readonly string[]): Image =>
  drawContactSheet({
    title,
    scale: 3,
    sections: [{ heading: 'Generated from captions', rows: labelledRows(images, captions, 10) }],
  })
