import { describe, expect, it } from 'vitest'
import { checkArguments } from '../lib/arguments.js'
import { library } from './entries.js'
import { fixture } from './models/transfusion/io/llama_folder.js'

/** Of a function that was called with what it cannot take, and went on. */
const raw =
  /Cannot (read|set|destructure|convert|use|access)|is not (a function|iterable|async iterable|defined|a constructor)|not a function or its return/

const wrong: Record<string, readonly unknown[]> = {
  nothing: [],
  undefined: [undefined, undefined, undefined],
  null: [null, null, null],
  numbers: [7, 7, 7],
  strings: ['/nowhere', '/nowhere', '/nowhere'],
  objects: [{}, {}, {}],
  'one object': [{}],
  arrays: [[], [], []],
  'arrays of numbers': [[7], [7], [7]],
  'arrays of null': [[null], [null], [null]],
  functions: [() => 0, () => 0, () => 0],
  booleans: [true, true, true],
  promises: [Promise.resolve(), Promise.resolve(), Promise.resolve()],
}

/** They act on the process or read what is installed, whatever they are given. */
const apart = new Set([
  'evaluateEmoji',
  'fence',
  'findFashionMnist',
  'openEmoji',
  'setMemoryLimit',
  'setThreads',
])

type Callable = (...args: unknown[]) => unknown

const isClass = (value: unknown): boolean => /^class\b/.test(Function.prototype.toString.call(value))

/** Each exported function, constructor and static method by the name that users write. */
const callables = Object.entries(library as Record<string, unknown>).flatMap(
  ([name, value]): [string, Callable][] => {
    if (typeof value !== 'function' || apart.has(name)) return []
    if (!isClass(value)) return [[name, value as Callable]]
    const Class = value as unknown as new (...args: unknown[]) => unknown
    const statics = Object.getOwnPropertyNames(Class).flatMap((key): [string, Callable][] => {
      const method = (Class as unknown as Record<string, unknown>)[key]
      return typeof method === 'function' && key !== 'prototype'
        ? [[`${name}.${key}`, (...args) => (method as Callable).apply(Class, args)]]
        : []
    })
    return [[`new ${name}`, (...args) => new Class(...args)], ...statics]
  },
)

/** What a call, and the first step of the generator that it may give, throw. */
async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    const result = await call()
    const { next } = Object(result) as { next?: unknown }
    if (typeof next === 'function') await (next as () => unknown).call(result)
    return undefined
  } catch (error) {
    return error
  }
}

it('knows the functions of the library', () => {
  expect(callables.length).toBeGreaterThan(120)
})

it.each(callables)('%s says what it takes', async (_name, call) => {
  for (const [what, args] of Object.entries(wrong)) {
    const failure = await failureOf(() => call(...args))
    if (failure === undefined) continue
    expect(failure, what).toBeInstanceOf(Error)
    expect((failure as Error).message, what).not.toMatch(raw)
  }
})

describe('an option that is unknown', () => {
  const image = { channels: 1, patch: 2, height: 4, width: 4 } as const
  const sizes = { layers: 1, channels: 8, heads: 1, image }
  const tokenizer = library.makeCaptionTokenizer(['a b'])
  const model = library.Transfusion.create(sizes, tokenizer)
  const dataset = { length: 1, classNames: [], get: () => Promise.reject(new Error('not read')) }
  const trainer = new library.Trainer(model, dataset, { steps: 1 })
  const images = { ...dataset, width: 4, height: 4, channels: 1, pixels: new Uint8Array(), labels: [] }
  const classes = { training: images, test: images, captions: ['a', 'b'] } as never

  it.each<[string, (options: never) => unknown, key: string, nearest: string]>([
    ['Transfusion.load', (options) => library.Transfusion.load('/nowhere', options), 'verfy', 'verify'],
    [
      'Transfusion.create',
      (options) => library.Transfusion.create(sizes, tokenizer, options),
      'devise',
      'device',
    ],
    ['fromPretrained', (options) => library.Transfusion.fromPretrained(fixture, options), 'images', 'image'],
    [
      'initializeFrom',
      (options) => library.Transfusion.initializeFrom('/nowhere', options),
      'objectives',
      'objective',
    ],
    ['save', (options) => model.save('/nowhere', options), 'precison', 'precision'],
    ['toLlama', (options) => model.toLlama('/nowhere', options), 'precison', 'precision'],
    ['trainFromConfig', (options) => library.trainFromConfig({}, options), 'onsteps', 'onStep'],
    ['tuneFromConfig', (options) => library.tuneFromConfig({}, options), 'onproduct', 'onProduct'],
    ['Trainer.run', (options) => trainer.run(options), 'checkpoint', 'checkpoints'],
    [
      'evaluateClasses',
      (options) => library.evaluateClasses(model, {} as never, options),
      'onMessages',
      'onMessage',
    ],
    [
      'compareSamplers',
      (options) => library.compareSamplers(model, {} as never, [], options).next(),
      'image',
      'images',
    ],
    ['generateClassImages', (options) => library.generateClassImages(model, [], options), 'seeds', 'seed'],
    ['describeImages', (options) => library.describeImages(model, [], options), 'maxToken', 'maxTokens'],
    [
      'captionPerplexity',
      (options) => library.captionPerplexity(model, [], options),
      'position',
      'positions',
    ],
    ['rankOptions', (options) => library.rankOptions(model, [], options).next(), 'ends', 'end'],
    [
      'textPerplexity',
      (options) => library.textPerplexity(model, [], undefined, options),
      'strides',
      'stride',
    ],
    ['Trainer.restore', (options) => trainer.restore('/nowhere', options), 'verifi', 'verify'],
    ['trainTokenizer', (options) => library.trainTokenizer([], {}, options), 'onProgres', 'onProgress'],
    ['evaluate', (options) => library.evaluate(model, {} as never, options), 'signals', 'signal'],
    ['openJsonlSource', library.openJsonlSource, 'fields', 'field'],
    ['openTextSource', library.openTextSource, 'seperator', 'separator'],
    ['openTarSource', library.openTarSource, 'shuffelBuffer', 'shuffleBuffer'],
    ['IdxDataset.open', (options) => library.IdxDataset.open(options), 'template', 'templates'],
    [
      'ImageFolder.open',
      (options) => library.ImageFolder.open('/nowhere', options),
      'className',
      'classNames',
    ],
    ['openStream', (options) => library.openStream([], options), 'worker', 'workers'],
    ['JsonTokenizer.decode', (options) => tokenizer.decode([], options), 'skipSpecials', 'skipSpecial'],
    ['ddim', (options) => library.ddim(library.cosineSchedule(), options), 'ete', 'eta'],
    ['startProfile', library.startProfile, 'span', 'spans'],
    ['packSequences', (options) => library.packSequences([], options), 'patches', 'patch'],
    [
      'trainingSequence',
      (options) => library.trainingSequence({ parts: [] }, options),
      'casualImages',
      'causalImages',
    ],
    ['ClassReference.prepare', (options) => library.ClassReference.prepare(classes, options), 'sead', 'seed'],
    [
      'evaluateEmoji',
      (options) => library.evaluateEmoji(model, {} as never, options),
      'onmessage',
      'onMessage',
    ],
  ])('of %s is refused, with the nearest', async (callee, call, key, nearest) => {
    const failure = await failureOf(() => call({ [key]: 1 } as never))
    expect(failure).toBeInstanceOf(TypeError)
    expect((failure as Error).message).toBe(
      `${callee}: options.${key} is unknown; did you mean "${nearest}"?`,
    )
  })

  const folder = new library.CheckpointFolder('/nowhere', 1)
  const run = () => Promise.resolve()

  it.each<[what: string, hooks: object, message: string]>([
    [
      'by an earlier name',
      { checkpoints: { folder, steps: 1, onUnwritten: 'stop' } },
      'options.checkpoints.onUnwritten is unknown; known: folder, steps, onSaveError',
    ],
    [
      'of another value',
      { checkpoints: { folder, steps: 1, onSaveError: 'stopp' } },
      `options.checkpoints.onSaveError must be 'skip' or 'stop', received "stopp"`,
    ],
    [
      'without its folder',
      { checkpoints: { steps: 1 } },
      'options.checkpoints.folder must be an object, received nothing',
    ],
    ['misspelt', { every: { step: 2, run } }, 'options.every.step is unknown; did you mean "steps"?'],
    [
      'without its function',
      { every: { steps: 2 } },
      'options.every.run must be a function, received nothing',
    ],
  ])('of a hook of Trainer.run, %s, is refused', async (_what, hooks, message) => {
    const failure = await failureOf(() => trainer.run(hooks))
    expect((failure as Error).message).toBe(`Trainer.run: ${message}`)
  })

  const cell = { image: { width: 1, height: 1, channels: 1, data: new Uint8Array(1) } } as const
  const sheetOf = (row: object) => ({
    title: '',
    scale: 1,
    sections: [{ heading: '', rows: [{ cells: [cell], ...row }] }],
  })
  it.each<[string, () => unknown, string]>([
    [
      'JsonTokenizer',
      () => new library.JsonTokenizer(tokenizer.definition[0], { bod: '<s>' } as never),
      'JsonTokenizer: names.bod is unknown; did you mean "bos"?',
    ],
    [
      'JsonTokenizer.load',
      () => library.JsonTokenizer.load('/nowhere', { eox: 1 } as never),
      'JsonTokenizer.load: names.eox is unknown; did you mean "eos"?',
    ],
    [
      'trainingBatch',
      () => library.trainingBatch(model, [], { timestep: {} } as never),
      'trainingBatch: noise.timestep is unknown; did you mean "timesteps"?',
    ],
    [
      'ImageClassifier.train',
      () => library.ImageClassifier.train({ epoch: 1 } as never),
      'ImageClassifier.train: training.epoch is unknown; did you mean "epochs"?',
    ],
    [
      'openStream',
      () => library.openStream([{ source: {}, weight: 1, weigth: 2 } as never], {} as never),
      'openStream: sources[0].weigth is unknown; did you mean "weight"?',
    ],
    [
      'drawContactSheet',
      () => library.drawContactSheet({ titel: '', sections: [] } as never),
      'drawContactSheet: sheet.titel is unknown; did you mean "title"?',
    ],
    [
      'a row of drawContactSheet',
      () => library.drawContactSheet(sheetOf({ labels: '' })),
      'drawContactSheet: sheet.sections[0].rows[0].labels is unknown; did you mean "label"?',
    ],
  ])('is named where %s calls its argument otherwise', async (_callee, call, message) => {
    const failure = await failureOf(call)
    expect(failure).toBeInstanceOf(TypeError)
    expect((failure as Error).message).toBe(message)
  })
})

describe('what is refused by name', () => {
  const image = { channels: 1, patch: 2, height: 4, width: 4 } as const
  const tokenizer = library.makeCaptionTokenizer(['a b'])
  const model = library.Transfusion.create({ layers: 1, channels: 8, heads: 1, image }, tokenizer)

  it.each<[string, () => unknown, string]>([
    [
      'fromPretrained',
      () => library.Transfusion.fromPretrained(fixture, undefined as never),
      'fromPretrained: options must be an object, received nothing',
    ],
    [
      'fromPretrained without image',
      () => library.Transfusion.fromPretrained(fixture, {} as never),
      'fromPretrained: options.image is missing',
    ],
    [
      'captionPerplexity',
      () => library.captionPerplexity(model, [{ parts: [] }] as never),
      'captionPerplexity: pairs[0] must be { image, caption }, or a sample with one of each, received an object { parts }',
    ],
    [
      'captionPerplexity of a dataset',
      () => library.captionPerplexity(model, { length: 3 } as never),
      'captionPerplexity: pairs must be an array, or another iterable, received an object { length }',
    ],
    [
      'textPerplexity',
      () => library.textPerplexity(model, [7] as never),
      'textPerplexity: documents[0] must be a text, or a document as sources give them, received 7',
    ],
    [
      'a model not awaited',
      () => library.describeImages(Promise.resolve() as never, []),
      'describeImages: model must be a model (Transfusion), received a promise, which is to be awaited',
    ],
    [
      'an option object',
      () => library.generateClassImages(model, ['a'], undefined as never),
      'generateClassImages: options must be an object, received nothing',
    ],
    [
      'a constructor',
      () => new library.Linear(undefined as never, 3, 4),
      'Linear: list must be a ParameterList, received nothing',
    ],
    [
      'sizes',
      () => new library.Linear(new library.ParameterList(), undefined as never, 4),
      'ParameterList.add: shape of weight must be an array of sizes, received [4, nothing]',
    ],
    [
      'a private constructor',
      () => new (library.Transfusion as unknown as new () => unknown)(),
      'Transfusion: it is made by Transfusion.load, create, fromPretrained or initializeFrom',
    ],
  ])('%s', async (_what, call, message) => {
    const failure = await failureOf(call)
    expect(failure).toBeInstanceOf(TypeError)
    expect((failure as Error).message).toContain(message)
  })

  it('shows no whole text or array', () => {
    const long = () => checkArguments('f', { a: ['x'.repeat(1000), 'number'] })
    expect(long).toThrow(`f: a must be a number, received "${'x'.repeat(79)}...`)
    expect(() => checkArguments('f', { a: [Array.from({ length: 9999 }, Number), 'map'] })).toThrow(
      'f: a must be a Map, received an array of 9999',
    )
  })
})
