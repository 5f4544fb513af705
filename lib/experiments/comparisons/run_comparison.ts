/** What `transfusion compare` does, for programs. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readJson, writeJson } from '../../files/json_file.js'
import { makeFolder } from '../../files/make_folder.js'
import { drawContactSheet, labelledRows } from '../../image/contact_sheet.js'
import type { Image } from '../../image/image.js'
import { stackPngs, writePng } from '../../image/image_io.js'
import type { Device } from '../../tensor/device.js'
import { type RunMessages, silent } from '../../run/messages.js'
import { lockRun } from '../../run/run_folder.js'
import { type References, referenceOf, type RunResult, runVariant } from './comparison_run.js'
import { comparisonTable } from './comparison_table.js'
import { type Comparison, type ComparisonName, comparisons, type Variant } from './comparisons.js'

/** How many models a comparison trains, how long, and where it writes. */
export interface ComparisonOptions extends Partial<RunMessages> {
  /** Steps of training, at least 4. */
  steps: number
  /** Models of each variant. */
  seeds: number
  /** Images of each class to generate, at least 10. */
  perClass: number
  /** The variants whose name has this in it. */
  only?: string | undefined
  /** Where metrics and pictures are written. */
  out: string
  /** Where the models are trained; by default TRANSFUSION_DEVICE, else 'cpu'. */
  device?: Device | undefined
  /** Stops the comparison, which then rejects with the signal's reason; runs that have finished are kept. */
  signal?: AbortSignal
}

/**
 * Trains the variants of a comparison from several seeds and writes into a folder: for each run its metrics and a sheet of
 * pictures, and of all runs `table.md` and `samples.png`. Runs that the folder has are not run again. Resolves with the
 * table, in Markdown.
 */
export async function runComparison(name: ComparisonName, options: ComparisonOptions): Promise<string> {
  const { steps, seeds, perClass, only = '', out, device, signal = new AbortController().signal } = options
  const { onMessage = silent.onMessage, onWarning = silent.onWarning } = options
  for (const [option, value, least] of [
    ['steps', steps, 4],
    ['seeds', seeds, 1],
    ['perClass', perClass, 10],
  ] as const)
    if (!Number.isInteger(value) || value < least)
      throw new RangeError(
        `runComparison: ${option} must be an integer of at least ${least}, received ${value}`,
      )
  const comparison: Comparison = comparisons[name]
  const variants = chosenVariants(comparison, only)
  await using _ = await lockRun(out, 'comparing', onWarning)
  const folder = join(out, 'runs')
  await makeFolder(folder)
  const references: References = new Map()
  const results: RunResult[] = []
  const sheets: string[] = []
  const cases = Array.from({ length: seeds }, (_, seed) =>
    variants.map((variant) => ({ variant, seed })),
  ).flat()
  try {
    for (const { variant, seed } of cases) {
      const file = variant.name.replaceAll(/[^\w]+/g, '-')
      const path = join(folder, `${file}-${steps}-seed${seed}.json`)
      const sheet = path.replace(/json$/, 'png')
      if (seed === 0) sheets.push(sheet)
      const known = await finished(path)
      if (known) {
        results.push(known)
        continue
      }
      onMessage(`${variant.name}, seed ${seed} ...`)
      const reference = await referenceOf(references, variant.padding ?? 0, signal)
      const model = results.find((run) => run.variant === variant.asLongAs && run.seed === seed)
      const length = model ? { seconds: model.points.at(-1)!.seconds } : { steps }
      const run = { seed, ...length, perClass, device, signal }
      const { result, images } = await runVariant(variant, reference, run)
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
  onMessage(`\n${table}\nTable: ${join(out, 'table.md')}   metrics and pictures of each run: ${folder}`)
  return table
}

/** The variants with `only` in their name, and those that these are trained as long as. */
function chosenVariants({ variants }: Comparison, only: string): Variant[] {
  const named = variants.filter(({ name }) => name.includes(only))
  if (named.length === 0)
    throw new RangeError(
      `runComparison: only must be a part of ${variants.map(({ name }) => `"${name}"`).join(', ')}, ` +
        `received "${only}"`,
    )
  return variants.filter(
    (variant) => named.includes(variant) || named.some(({ asLongAs }) => asLongAs === variant.name),
  )
}

/** What an earlier call wrote. */
const finished = async (path: string): Promise<RunResult | undefined> =>
  ((await readJson(path, false)) || undefined) as RunResult | undefined

/** Pictures of each caption in a row. */
const sheetOf = (title: string, images: readonly Image[], captions: readonly string[]): Image =>
  drawContactSheet({
    title,
    scale: 3,
    sections: [{ heading: 'Generated from captions', rows: labelledRows(images, captions, 10) }],
  })
