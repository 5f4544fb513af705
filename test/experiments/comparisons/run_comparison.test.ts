import { expect, it } from 'vitest'
import { runComparison } from '../../../lib/experiments/comparisons/run_comparison.js'
import { type RunResult, runVariant } from '../../../lib/experiments/comparisons/comparison_run.js'
import { comparisonTable } from '../../../lib/experiments/comparisons/comparison_table.js'
import { comparisons, type Variant } from '../../../lib/experiments/comparisons/comparisons.js'
import { IdxDataset } from '../../../lib/data/sources/idx/idx_dataset.js'
import { ClassReference } from '../../../lib/evaluation/classes/class_reference.js'
import { temporaryFolder } from '../../temporary_folder.js'
import { captions, classNames, writeClasses } from '../../cli/class_folder.js'

it('trains a variant from a seed and evaluates it at a quarter, a half and the end', async () => {
  const splits = await writeClasses(await temporaryFolder())
  const open = ({ images, labels }: typeof splits.test) =>
    IdxDataset.open({ imagesPath: images, labelsPath: labels, classNames, templates: ['{a label}'] })
  const data = { training: await open(splits.training), test: await open(splits.test), captions }
  const { signal } = new AbortController()
  using reference = await ClassReference.prepare(data, { perClass: 10, seed: 0, signal })
  const size = { patch: 4, height: 8, width: 8 }
  const linear: Variant = { name: 'linear', image: size }
  const unet: Variant = { name: 'unet', image: { ...size, unet: { channels: [8, 16], stem: 2 } } }
  const run = (variant: Variant, seed: number, length: { steps: number } | { seconds: number }) =>
    runVariant(variant, { data, reference }, { seed, ...length, perClass: 10, signal })

  const { result, images } = await run(unet, 1, { steps: 7 })
  expect(result).toMatchObject({ variant: 'unet', seed: 1 })
  expect(result.points.map(({ step }) => step)).toEqual([2, 4, 7])
  expect(images.every(({ width, height }) => width === 8 && height === 8) && images.length).toBe(20)
  const again = await run(unet, 1, { steps: 7 })
  const metrics = ({ points }: RunResult) => points.map((point) => ({ ...point, seconds: 0 }))
  expect(metrics(again.result)).toEqual(metrics(result))
  const other = await run(linear, 1, { seconds: result.points.at(-1)!.seconds })
  expect(other.result.points).toHaveLength(1)
  expect(other.result.parameters).not.toBe(result.parameters)
})

it('shows means and spreads over seeds, and nothing of what was not run', () => {
  const point = { step: 10, seconds: 4, diversity: 0.5, frechet: 0.25, kid: 1 }
  const run = (variant: string, seed: number, captions: number): RunResult => ({
    variant,
    seed,
    parameters: 1234,
    points: [{ ...point, captions, images: 1 }],
  })
  const table = comparisonTable(comparisons.attention, [
    run('linear 4x4', 0, 0.5),
    run('linear 4x4', 1, 0.7),
    run('linear 4x4, causal', 0, 0.25),
  ])
  const lines = table.split('\n').filter((line) => line.startsWith('| linear'))
  expect(lines).toEqual([
    '| linear 4x4, causal | 1,234 | 10 | 4 | 25.0 | 100.0 | 0.500 | 0.250 | 1.00 | 1 |',
    '| linear 4x4 | 1,234 | 10 ± 0 | 4 ± 0 | 60.0 ± 14.1 | 100.0 ± 0.0 | 0.500 ± 0.000 | 0.250 ± 0.000 | 1.00 ± 0.00 | 2 |',
  ])
  expect(table).not.toContain('U-Net 4x4 |')
  expect(table).toContain('table 5')
})

it('says what variants there are where none is meant', async () => {
  const out = await temporaryFolder()
  const run = runComparison('patches', { steps: 8, seeds: 1, perClass: 10, only: '3x3', out })
  await expect(run).rejects.toThrow(
    'runComparison: only must be a part of "linear 4x4", "U-Net 4x4", "linear 4x4, as long",',
  )
  await expect(run).rejects.toThrow('received "3x3"')
})
