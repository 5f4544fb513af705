import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { runEvaluate, type EvaluateOptions } from '../../lib/cli/evaluate.js'
import { evaluate } from '../../lib/evaluation/evaluate.js'
import type { EvaluationResult } from '../../lib/evaluation/tasks/evaluation_result.js'
import { makeCaptionTokenizer } from '../../lib/tokenizer/caption_tokenizer.js'
import { readImage, writePng } from '../../lib/image/image_io.js'
import { captionMetrics } from '../../lib/evaluation/captions/caption_metrics.js'
import { describeImages } from '../../lib/evaluation/describe_images.js'
import { IdxDataset } from '../../lib/data/sources/idx/idx_dataset.js'
import { evaluateClasses } from '../../lib/evaluation/classes/evaluate_classes.js'
import { Transfusion } from '../../lib/transfusion.js'
import { idxFile } from '../data/sources/idx/idx_file.js'
import { temporaryFolder } from '../temporary_folder.js'
import { captions, classNames, saveClassModel, writeClasses } from './class_folder.js'

let folder: string

const classTask = async () => ({
  type: 'classes',
  data: await writeClasses(folder),
  perClass: 4,
  images: { steps: 2 },
  ranked: 10,
})

beforeEach(async () => {
  folder = await temporaryFolder()
  await saveClassModel(join(folder, 'model'))
})

/** Runs the command with a config, if any, and returns what it wrote. */
async function run(config?: object, options: EvaluateOptions = {}) {
  const path = config && join(folder, 'eval-config.json')
  if (path) await writeFile(path, JSON.stringify(config))
  await runEvaluate(join(folder, 'model'), path, options)
  const written = JSON.parse(await readFile(options.json ?? join(folder, 'eval.json'), 'utf8'))
  return written as { seed: number; precision: string; results: EvaluationResult[] }
}

describe('transfusion eval', () => {
  it('measures several ways to keep weights in turn', async () => {
    const text = join(folder, 'held-out.txt')
    await writeFile(text, 'a stripe\nan arch\n')
    const say = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    const written = await run(undefined, { text: [text], weights: ['f32', 'int8', 'bf16'] })
    const table = say.mock.calls.map(([chunk]) => String(chunk)).join('')
    say.mockRestore()
    expect(table).toMatch(/\n +f32 +int8 +bf16\n +perplexity +[\d.]+ +[\d.]+ +[\d.]+ +n = \d+\n/)
    expect(written).toMatchObject({
      weights: 'f32',
      precision: 'f32',
      results: [{ task: 'text' }],
      compared: [
        { weights: 'int8', precision: 'f32', results: [{ task: 'text' }] },
        { weights: 'bf16', precision: 'bf16', results: [{ task: 'text' }] },
      ],
    })
    using model = await Transfusion.load(join(folder, 'model'), { weights: 'int8' })
    const data = { type: 'text', path: text } as const
    const { results } = await evaluate(model, { tasks: [{ type: 'text', data }] })
    const compared = (written as unknown as { compared: { results: EvaluationResult[] }[] }).compared
    expect(compared[0]!.results[0]!.metrics).toEqual(results[0]!.metrics)
  })

  it('trains the classifier of generated images once for all ways to keep weights', async () => {
    const task = { ...(await classTask()), described: 0, ranked: 0 }
    const say = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    const { results, ...rest } = await run({ seed: 5, weights: ['f32', 'int8'], tasks: [task] })
    const lines = say.mock.calls.map(([chunk]) => String(chunk)).join('')
    say.mockRestore()
    expect(lines.match(/Training a classifier/g)).toHaveLength(1)
    const { compared } = rest as unknown as { compared: { results: EvaluationResult[] }[] }
    const measured = [results, compared[0]!.results]
    for (const [i, weights] of (['f32', 'int8'] as const).entries()) {
      using model = await Transfusion.load(join(folder, 'model'), { weights })
      const alone = await evaluate(model, { seed: 5, tasks: [task] } as never)
      expect(measured[i]![0]!.metrics).toEqual(alone.results[0]!.metrics)
    }
  })

  it("describes images, and compares what it wrote with people's captions", async () => {
    const pictures = join(folder, 'pictures')
    await mkdir(pictures)
    const names = Array.from({ length: 70 }, (_, i) => `${i}.png`)
    for (const [i, name] of names.entries())
      await writePng(join(pictures, name), {
        width: 8,
        height: 8,
        channels: 1,
        data: new Uint8Array(64).fill(3 * i),
      })
    const path = join(folder, 'captions.json')
    const annotations = {
      images: names.map((file_name, id) => ({ id, file_name })),
      annotations: names.map((_, id) => ({ image_id: id, caption: id % 2 ? 'A stripe.' : 'an arch' })),
    }
    await writeFile(path, JSON.stringify(annotations))
    const { results } = await run(undefined, { captions: path, images: pictures })
    using model = await Transfusion.load(join(folder, 'model'))
    const read = (name: string) => readImage(join(pictures, name), model.imagePreprocessing!)
    const written = await describeImages(model, await Promise.all(names.map(read)))
    const { each, ...expected } = captionMetrics(
      written.map((text, i) => ({ written: text, references: [i % 2 ? 'A stripe.' : 'an arch'] })),
    )
    const [{ task, metrics, settings }] = results as [EvaluationResult]
    expect(task).toBe('captions')
    expect(settings).toMatchObject({ count: 70, maxTokens: 64 })
    const { cider: _cider, ...shown } = expected
    for (const [name, value] of Object.entries(shown))
      expect(metrics[name]).toMatchObject({ value, count: 70 })
    const deviation = Math.sqrt(
      each.rouge_l.reduce((sum, value) => sum + (value - expected.rouge_l) ** 2, 0) / 69 / 70,
    )
    expect(metrics['rouge_l']!.standard_error).toBeCloseTo(deviation, 12)

    await expect(run(undefined, { images: pictures })).rejects.toThrow('add --captions FILE')
    const few = { tasks: [{ type: 'captions', path, images: pictures, count: 2, maxTokens: 1 }] }
    expect((await run(few)).results[0]!.settings).toMatchObject({ count: 2, maxTokens: 1 })
  })

  it('gives the metrics of classes that the library gives, with their errors and settings', async () => {
    const task = await classTask()
    const { results, ...rest } = await run({ seed: 5, tasks: [task] })
    expect(rest).toMatchObject({ seed: 5, precision: 'f32' })
    const { task: type, metrics, settings } = results[0]!
    expect(type).toBe('classes')
    expect(settings).toMatchObject({
      seed: 5,
      perClass: 4,
      images: { sampler: 'ddim', steps: 2, guidance: 1.5 },
    })

    using model = await Transfusion.load(join(folder, 'model'))
    const open = ({ images, labels }: { images: string; labels: string }) =>
      IdxDataset.open({ imagesPath: images, labelsPath: labels, classNames, templates: ['{a label}'] })
    const data = { training: await open(task.data.training), test: await open(task.data.test), captions }
    const images = { sampler: 'ddim', steps: 2, guidance: 1.5 } as const
    const expected = await evaluateClasses(model, data, {
      seed: 5,
      perClass: 4,
      images,
      described: 100,
      ranked: 10,
    })
    const { kid_standard_error, ...values } = expected.metrics
    expect(Object.fromEntries(Object.entries(metrics).map(([name, { value }]) => [name, value]))).toEqual(
      values,
    )
    expect(metrics['kid']!.standard_error).toBe(kid_standard_error)
    expect(Object.values(values).every(Number.isFinite)).toBe(true)
    const { value, standard_error, count } = metrics['image_accuracy']!
    expect(count).toBe(8)
    expect(standard_error).toBeCloseTo(Math.sqrt((value * (1 - value)) / 7), 12)
    expect(metrics['caption_accuracy']!.count).toBe(30)
    expect(metrics['rank_accuracy']!.count).toBe(10)
  })

  it('evaluates colour pictures in a folder for each class', async () => {
    const image = { channels: 3, patch: 4, height: 8, width: 8 }
    using model = Transfusion.create(
      { layers: 1, channels: 32, heads: 2, feedForward: 48, image },
      makeCaptionTokenizer(['a red one', 'a blue one']),
    )
    await model.save(join(folder, 'model'))
    const write = async (split: string, name: string, count: number) => {
      await mkdir(join(folder, split, name), { recursive: true })
      for (let i = 0; i < count; i++) {
        const colour = name === 'red' ? [230, i, 20] : [20, i, 230]
        const data = Uint8Array.from({ length: 300 }, (_, k) => colour[k % 3]!)
        await writePng(join(folder, split, name, `${i}.png`), { width: 10, height: 10, channels: 3, data })
      }
    }
    for (const name of ['red', 'blue']) {
      await write('train', name, 32)
      await write('test', name, 5)
    }
    const task = {
      type: 'classes',
      data: { type: 'folders', training: join(folder, 'train'), test: join(folder, 'test') },
      caption: '{a label} one',
      perClass: 4,
      images: { steps: 2 },
    }
    const { results } = await run({ tasks: [task] })
    const { metrics, data } = results[0]!
    expect(data).toBe(join(folder, 'test'))
    expect(metrics['image_accuracy']!.count).toBe(8)
    expect(metrics['classifier_accuracy']!.count).toBe(10)
    expect(metrics['caption_accuracy']!.count).toBe(10)
    expect(Object.values(metrics).every(({ value }) => Number.isFinite(value))).toBe(true)
    expect(metrics['frechet']!.value).toBeGreaterThan(metrics['frechet_training']!.value)
  })

  it('answers questions about images', async () => {
    await writePng(join(folder, 'a.png'), { width: 8, height: 8, channels: 1, data: new Uint8Array(64) })
    const path = join(folder, 'questions.jsonl')
    const question = { context: [{ image: 'a.png' }, 'a'], options: ['stripe', 'arch'], answer: 1 }
    await writeFile(path, `${JSON.stringify(question)}\n${JSON.stringify({ ...question, answer: 0 })}\n`)
    const { results } = await run(undefined, { questions: [path] })
    // One of the two answers is right, whichever the model prefers.
    expect(results[0]!.metrics['rank_accuracy']).toMatchObject({ value: 0.5, count: 2 })
  })

  it('measures texts and questions that the command line names', async () => {
    const text = join(folder, 'held-out.txt')
    const lines = join(folder, 'held-out.jsonl')
    const questions = join(folder, 'questions.jsonl')
    await writeFile(text, 'a stripe\nan arch\n')
    await writeFile(lines, '{"text": "a stripe"}\n{"text": "an arch"}\n{"text": "a"}\n')
    await writeFile(questions, '{"context": "a", "options": ["stripe", "arch"], "answer": 0}\n')
    const { results } = await run(undefined, {
      text: [text, lines],
      questions: [questions],
      json: join(folder, 'other.json'),
    })
    expect(results.map(({ task, data }) => [task, data])).toEqual([
      ['text', text],
      ['text', lines],
      ['questions', questions],
    ])
    expect(results[0]!.metrics['perplexity']!.count).toBe(4)
    expect(results[0]!.metrics['bits_per_byte']!.count).toBe(16)
    expect(results[1]!.metrics['perplexity']!.count).toBe(5)
    expect(results[2]!.metrics['rank_accuracy']).toMatchObject({ count: 1 })
  })

  it('leaves out and counts what cannot be read where it may', async () => {
    await writeFile(join(folder, 'lines.jsonl'), '{"text": "a stripe"}\n{"words": 7}\n{"text": "an arch"}\n')
    const task = { type: 'text', data: { type: 'jsonl', path: join(folder, 'lines.jsonl') } }
    await expect(run({ tasks: [task] })).rejects.toThrow('lines.jsonl:2:')
    let output = ''
    const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((output += text), true))
    const { results } = await run({ tasks: [{ ...task, onUnreadable: 'skip' }] }).finally(() =>
      write.mockRestore(),
    )
    expect(results[0]).toMatchObject({ settings: { documents: 2 } })
    expect(output).toMatch(/left out: 1 document that cannot be read \(.*lines\.jsonl:2\)\n/)
  })

  it('refuses what it cannot do, by name', async () => {
    await expect(
      run({ tasks: [{ type: 'text', data: { type: 'text', path: 'a.txt' }, windows: 3 }] }),
    ).rejects.toThrow('did you mean "window"?')
    await expect(run(undefined, { steps: 0.5 })).rejects.toThrow('tasks[0].images.steps')
    await expect(run({ tasks: {} })).rejects.toThrow('tasks: expected array')
    const task = await classTask()
    const small = { images: join(folder, 'small'), labels: task.data.test.labels }
    await writeFile(small.images, idxFile([30, 4, 4], new Uint8Array(480)))
    await expect(run({ tasks: [{ ...task, data: { ...task.data, test: small } }] })).rejects.toThrow(
      'evaluateClasses: data.test must have images of 8 x 8 in grayscale, as data.training has, received 4 x 4 in grayscale',
    )
  })
})
