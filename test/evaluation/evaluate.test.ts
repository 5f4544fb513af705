import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runEvaluate } from '../../lib/cli/evaluate.js'
import type { LabelledImages } from '../../lib/data/sources/folder/image_folder.js'
import { evaluate } from '../../lib/evaluation/evaluate.js'
import { evaluateClasses } from '../../lib/evaluation/classes/evaluate_classes.js'
import type { Image } from '../../lib/image/image.js'
import { writePng } from '../../lib/image/image_io.js'
import { makeCaptionTokenizer } from '../../lib/tokenizer/caption_tokenizer.js'
import { Transfusion } from '../../lib/transfusion.js'
import { saveClassModel, writeClasses } from '../cli/class_folder.js'
import { idxFile } from '../data/sources/idx/idx_file.js'
import { temporaryFolder } from '../temporary_folder.js'

/** Without the seconds that it took. */
const resultsOf = ({ results }: { results: readonly object[] }) =>
  results.map((result) => ({ ...result, seconds: 0 }))

it('returns what transfusion eval writes', async () => {
  const folder = await temporaryFolder()
  await saveClassModel(join(folder, 'model'))
  const text = join(folder, 'held-out.txt')
  await writeFile(text, 'a stripe\nan arch\n')
  const data = await writeClasses(folder)
  const config = {
    seed: 5,
    tasks: [
      { type: 'classes', data, perClass: 3, images: { steps: 2 }, described: 4, ranked: 3 },
      { type: 'text', data: { type: 'text', path: text } },
    ],
  } as never
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  await runEvaluate(join(folder, 'model'), join(folder, 'config.json'), {})
  const written = JSON.parse(await readFile(join(folder, 'eval.json'), 'utf8'))

  using model = await Transfusion.load(join(folder, 'model'))
  const lines: string[] = []
  const evaluation = await evaluate(model, config, { onMessage: (line) => lines.push(line) })
  expect(resultsOf(evaluation)).toEqual(resultsOf(written))
  expect(evaluation.seed).toBe(5)
  expect(lines).toContain('Generating 6 images ...')
  const stopped = evaluate(model, config, { signal: AbortSignal.abort(new Error('enough')) })
  await expect(stopped).rejects.toThrow('enough')
  await expect(evaluate(model, { seeds: 1, tasks: [] } as never)).rejects.toThrow('did you mean "seed"?')
})

const side = 8
// In the order of their names, in which folders are read.
const classNames = ['arch', 'stripe']
const captions = ['an arch', 'a stripe']

/** Two classes of images, class by class: the left half bright, or the upper half, in the last channel alone. */
function labelled(count: number, channels: 1 | 3): LabelledImages {
  const labels = Array.from({ length: count }, (_, i) => Math.floor((2 * i) / count))
  const size = side * side * channels
  const pixels = Uint8Array.from({ length: count * size }, (_, k) => {
    const pixel = Math.floor(k / channels) % side ** 2
    const isBright = (labels[Math.floor(k / size)] === 0 ? pixel % side : Math.floor(pixel / side)) < side / 2
    return (isBright && k % channels === channels - 1 ? 190 : 20) + ((31 * k) % 41)
  })
  const image = (i: number): Image => ({
    width: side,
    height: side,
    channels,
    data: pixels.subarray(i * size, (i + 1) * size),
  })
  return {
    length: count,
    width: side,
    height: side,
    channels,
    pixels,
    labels,
    image,
    label: (i) => labels[i]!,
  }
}

/** The same as files in a folder for each class. Returns where. */
async function writeFolder(root: string, data: LabelledImages): Promise<string> {
  for (const name of classNames) await mkdir(join(root, name), { recursive: true })
  for (let i = 0; i < data.length; i++)
    await writePng(join(root, classNames[data.label(i)]!, `${String(i).padStart(4, '0')}.png`), data.image(i))
  return root
}

/** The same as IDX files. Returns where. */
async function writeIdx(root: string, { length, pixels, labels }: LabelledImages) {
  const paths = { images: `${root}-images`, labels: `${root}-labels` }
  await writeFile(paths.images, idxFile([length, side, side], [...pixels]))
  await writeFile(paths.labels, idxFile([length], Array.from(labels)))
  return paths
}

it.each([1, 3] as const)('gives the same for any kind of labelled data, of %i channels', async (channels) => {
  const folder = await temporaryFolder()
  const image = { channels, patch: 4, height: side, width: side }
  using model = Transfusion.create(
    { layers: 1, channels: 32, heads: 2, feedForward: 48, image },
    makeCaptionTokenizer(captions),
    { seed: 3 },
  )
  const data = { training: labelled(400, channels), test: labelled(20, channels) }
  const settings = { seed: 2, perClass: 3, described: 20, ranked: 20 }
  const images = { sampler: 'ddim', steps: 2, guidance: 1.5 } as const
  const { metrics } = await evaluateClasses(model, { ...data, captions }, { ...settings, images })
  // Half of the images would be recognised by chance.
  expect(metrics.classifier_accuracy).toBeGreaterThan(0.9)

  const folders = {
    type: 'folders',
    training: await writeFolder(join(folder, 'train'), data.training),
    test: await writeFolder(join(folder, 'test'), data.test),
  } as const
  const idx = {
    type: 'idx',
    training: await writeIdx(join(folder, 'train'), data.training),
    test: await writeIdx(join(folder, 'test'), data.test),
    classNames,
  } as const
  const kinds = channels === 1 ? [folders, idx] : [folders]
  const { seed, ...counts } = settings
  const tasks = kinds.map((data) => ({ type: 'classes', data, images, ...counts }) as const)
  const { results } = await evaluate(model, { seed, tasks })
  const { kid_standard_error, ...values } = metrics
  expect(results).toHaveLength(kinds.length)
  for (const result of results) {
    expect(result.metrics['kid']!.standard_error).toBe(kid_standard_error)
    const found = Object.entries(result.metrics).map(([name, { value }]) => [name, value])
    expect(Object.fromEntries(found)).toEqual(values)
  }
})

it('refuses data that it cannot measure before it generates anything', async () => {
  const image = { channels: 1, patch: 4, height: 8, width: 12 }
  using model = Transfusion.create(
    { layers: 1, channels: 32, heads: 2, feedForward: 48, image },
    makeCaptionTokenizer(captions),
  )
  const wide = { ...labelled(96, 1), width: 12, pixels: new Uint8Array(96 * 96) }
  const lines: string[] = []
  const settings = {
    seed: 0,
    perClass: 2,
    described: 0,
    ranked: 0,
    onMessage: (line: string) => lines.push(line),
  }
  await expect(evaluateClasses(model, { training: wide, test: wide, captions }, settings)).rejects.toThrow(
    'data.training must have square images of an even side, which the classifier reads, received 8 x 12',
  )
  const one = evaluateClasses(model, { training: wide, test: wide, captions }, { ...settings, perClass: 1 })
  await expect(one).rejects.toThrow('perClass must be 0, or at least 2, which diversity needs, received 1')
  const { perClass: _perClass, ...without } = settings
  for (const [options, message] of [
    [without, 'options.perClass must be a number, received nothing'],
    [{ ...without, perclass: 2 }, 'options.perclass is unknown; did you mean "perClass"?'],
  ] as const)
    await expect(
      evaluateClasses(model, { training: wide, test: wide, captions }, options as never),
    ).rejects.toThrow(`evaluateClasses: ${message}`)
  expect(lines.filter((line) => line.startsWith('Generating'))).toEqual([])
})
