import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { runEvaluate } from '../../../lib/cli/evaluate.js'
import { scoreGenEval } from '../../../lib/evaluation/geneval/score.js'
import { readImage } from '../../../lib/image/image_io.js'
import { saveClassModel } from '../../cli/class_folder.js'
import { temporaryFolder } from '../../temporary_folder.js'

// The form of GenEval's own lines.
const metadata = [
  { tag: 'counting', include: [{ class: 'pizza', count: 2 }], exclude: [{ class: 'pizza', count: 3 }] },
  { tag: 'colors', include: [{ class: 'clock', count: 1, color: 'green' }] },
].map((line) => ({ ...line, prompt: `a photo of ${line.include[0]!.class}` }))

const box = [0, 0, 10, 10]
const pizza = (score: number) => ({ class: 'pizza', score, box })
const detections = {
  '00000/samples/0000.png': [pizza(0.95), pizza(0.91), pizza(0.89)],
  '00000/samples/0001.png': [pizza(0.95), pizza(0.9), pizza(0.5)],
  '00001/samples/0000.png': [
    { class: 'clock', score: 0.31, box, color: 'green' },
    { class: 'cat', score: 0.99, box },
  ],
  '00001/samples/0001.png': [
    { class: 'clock', score: 0.4, box, color: 'green' },
    { class: 'clock', score: 0.6, box, color: 'red' },
  ],
}

let folder: string
let file: string
const write = (content: unknown) => writeFile(file, JSON.stringify(content))

beforeEach(async () => {
  folder = await temporaryFolder()
  file = join(folder, 'detections.json')
  for (const [i, line] of metadata.entries()) {
    const samples = join(folder, `0000${i}`, 'samples')
    await mkdir(samples, { recursive: true })
    await writeFile(join(folder, `0000${i}`, 'metadata.jsonl'), JSON.stringify(line))
    for (const sample of [0, 1]) await writeFile(join(samples, `000${sample}.png`), '')
  }
  await write(detections)
})

describe('transfusion eval --geneval', () => {
  it("scores pictures by GenEval's thresholds, and prints its table", async () => {
    await runEvaluate(undefined, undefined, { geneval: folder, detections: file })
    const { results, pictures } = JSON.parse(await readFile(join(folder, 'results.json'), 'utf8'))
    expect(pictures.map(({ reasons }: { reasons: string[] }) => reasons.join())).toEqual([
      '',
      'expected pizza>=2, found 1',
      '',
      'expected green clock>=1, found 0 green; and 1 red',
    ])
    expect(results[0].metrics).toMatchObject({
      counting: { value: 0.5, count: 2 },
      colors: { value: 0.5, count: 2 },
      overall: { value: 0.5 },
      pictures_right: { value: 0.5, count: 4 },
      prompts_right: { value: 1, count: 2 },
    })
  })

  it('says what of the detections is missing or wrong', async () => {
    const { '00001/samples/0001.png': _left, ...three } = detections
    await write(three)
    await expect(scoreGenEval(folder, file)).rejects.toThrow(/has no detections of 00001\/samples\/0001\.png/)
    await write({ ...detections, '00001/samples/0000.png': [{ class: 'clock', score: 0.8, box }] })
    await expect(scoreGenEval(folder, file)).rejects.toThrow(
      /00001\/samples\/0000\.png: a clock has no "color", which "a photo of clock" is judged by/,
    )
    await write({ ...detections, '00001/samples/0000.png': [{ class: 'clock', score: 80, box }] })
    await expect(scoreGenEval(folder, file)).rejects.toThrow(/score: .*received 80/)
    await write(detections)
    await writeFile(
      join(folder, '00000/metadata.jsonl'),
      JSON.stringify({ ...metadata[0], include: [{ class: 'cat', count: 1, position: ['above', 0] }] }),
    )
    await expect(scoreGenEval(folder, file)).rejects.toThrow(
      /metadata\.jsonl:\n {2}include: expected positions/,
    )
    await expect(scoreGenEval(await temporaryFolder(), file)).rejects.toThrow(
      /has no pictures in GenEval's layout/,
    )
    await expect(runEvaluate(undefined, undefined, { geneval: folder })).rejects.toThrow(/--detections FILE/)
    await expect(runEvaluate(undefined, undefined, {})).rejects.toThrow(/^expected a model folder/)
    await expect(runEvaluate('model', undefined, { samples: 2 })).rejects.toThrow(
      /^--samples is for --geneval/,
    )
  })

  it("draws prompts in GenEval's layout, and keeps what is there", async () => {
    const model = join(folder, 'model')
    await saveClassModel(model)
    const prompts = join(folder, 'evaluation_metadata.jsonl')
    const include = [{ class: 'stripe', count: 1 }]
    const lines = ['a stripe', 'an arch'].map((prompt) => ({ tag: 'single_object', prompt, include }))
    await writeFile(prompts, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    const drawn = join(folder, 'drawn')
    const options = { geneval: drawn, prompts, samples: 2, steps: 1 }
    await runEvaluate(model, undefined, options)
    expect(JSON.parse(await readFile(join(drawn, '00001/metadata.jsonl'), 'utf8'))).toEqual(lines[1]!)
    const path = join(drawn, '00001/samples/0001.png')
    expect(await readImage(path, { width: 8, height: 8, channels: 1 })).toMatchObject({ width: 8 })
    const before = await readFile(path)
    await runEvaluate(model, undefined, { ...options, seed: 5 })
    expect(await readFile(path)).toEqual(before)

    await writeFile(prompts, `${JSON.stringify(lines[0])}\n{"tag": "counting"}\n`)
    await expect(runEvaluate(model, undefined, options)).rejects.toThrow(
      /evaluation_metadata\.jsonl:2:\n {2}prompt/,
    )
  })
})
