/** What public functions are given, checked where they are called from JavaScript or through a cast. */
import { types } from 'node:util'
import { describe } from './describe.js'
import { suggestion } from './nearest.js'

const isObject = (value: unknown): value is Record<PropertyKey, unknown> =>
  typeof value === 'object' && value !== null
const isPlain = (value: unknown): boolean => isObject(value) && !Array.isArray(value)
const isIterable = (value: unknown): boolean =>
  isObject(value) && (Symbol.iterator in value || Symbol.asyncIterator in value)
const has =
  (...keys: readonly string[]) =>
  (value: unknown) =>
    isObject(value) && keys.every((key) => value[key] !== undefined)

/** Kinds of arguments, and what an error calls them. */
const kinds = {
  object: ['an object', isPlain],
  options: ['an object of options, or left out', (value) => value === undefined || isPlain(value)],
  string: ['a string', (value) => typeof value === 'string'],
  configOrPath: [
    'the path of a config file, or a config',
    (value) => typeof value === 'string' || isPlain(value),
  ],
  number: ['a number', (value) => typeof value === 'number'],
  function: ['a function', (value) => typeof value === 'function'],
  array: ['an array', Array.isArray],
  strings: [
    'an array of strings',
    (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  ],
  numbers: ['an array of numbers', (value) => Array.isArray(value) || types.isTypedArray(value)],
  iterable: ['an array, or another iterable', isIterable],
  map: ['a Map', types.isMap],
  model: ['a model (Transfusion)', has('network', 'tokenizer')],
  network: ['a network (TransfusionNetwork)', has('arena', 'config')],
  tokenizer: ['a tokenizer (JsonTokenizer)', has('encode', 'decode')],
  arena: ['a ParameterArena', has('parameters', 'values')],
  parameters: ['a ParameterList', has('parameters', 'under')],
  tensor: ['a tensor', has('handle', 'shape')],
  image: ['an image { width, height, channels, data }', has('width', 'height', 'data')],
  size: [
    'an image { width, height, channels, data }, or its values { width, height, values }',
    has('width', 'height'),
  ],
  signal: [
    'an AbortSignal, or left out',
    (value) => value === undefined || has('aborted', 'addEventListener')(value),
  ],
  source: ['a source of documents, which has once() and read()', has('once', 'read')],
  dataset: ['a data set, which has length and get()', has('length', 'get')],
  features: ['features { data, width }', has('data', 'width')],
  labelledFeatures: ['{ features, labels }', has('features', 'labels')],
  imageMetricInputs: [
    'an object of classifier outputs: generated, targets, test, testLabels, training, classMeans',
    has('generated', 'targets', 'test', 'testLabels', 'training', 'classMeans'),
  ],
  profile: ['a report of a profile', has('kernels', 'spans')],
  batch: ['a batch for training', has('packed')],
  weighted: ['{ source, weight }', has('source', 'weight')],
  values: ['a Float32Array, an Int32Array or a Uint16Array', types.isTypedArray],
  metadata: ['metadata of sequences, as packSequences returns it', has('patchPositions', 'imageRows', 'ids')],
  config: ['a model config, which has image', has('image')],
  document: ['a document { name, parts }', has('name', 'parts')],
  parts: ['an object { parts }', has('parts')],
  parameter: ['a Parameter', has('name', 'shape', 'initial')],
  labelled: ['labelled images, which have pixels and labels', has('length', 'pixels', 'labels')],
  trainingData: [
    'a data set, or a function that opens a stream',
    (value) => typeof value === 'function' || has('length', 'get')(value),
  ],
  objective: ['an objective, which has prediction', has('prediction')],
  autoencoder: ['an autoencoder { network, scale }, as loadAutoencoder gives it', has('network', 'scale')],
  latentScale: ['a scale { mean, std, factor }', has('mean', 'std', 'factor')],
  schedule: ['a noise schedule, which has steps and coefficients()', has('steps', 'coefficients')],
} as const satisfies Record<string, readonly [what: string, test: (value: unknown) => boolean]>

/** The name of a kind of arguments. */
export type ArgumentKind = keyof typeof kinds

/**
 * Throws a TypeError that names the function, the first argument that is of another kind, what is accepted and what was
 * received. `given`: each argument by its name, with its kind.
 */
export function checkArguments(
  callee: string,
  given: Readonly<Record<string, readonly [value: unknown, kind: ArgumentKind]>>,
): void {
  for (const [name, [value, kind]] of Object.entries(given)) {
    const [what, test] = kinds[kind]
    if (!test(value)) throw wrongArgument(callee, name, what, value)
  }
}

/**
 * Throws a TypeError where `options` is no object, or has a key that its type has not: the message names the nearest key.
 * `keys`: all of the type's, which the compiler sees to. `name`: what the callee calls its argument. Ops do not call it: it
 * would be more than 1% of the time of enqueuing one.
 */
export function checkOptions<Options extends object>(
  callee: string,
  options: Options | undefined,
  keys: Readonly<Record<keyof Options, true>>,
  name = 'options',
): void {
  checkArguments(callee, { [name]: [options, 'options'] })
  const unknown = Object.keys(options ?? {}).find((key) => !Object.hasOwn(keys, key))
  if (unknown !== undefined)
    throw new TypeError(`${callee}: ${name}.${unknown} is unknown${suggestion(unknown, Object.keys(keys))}`)
}

/** The error of an argument that is not what it must be. */
export const wrongArgument = (callee: string, name: string, what: string, value: unknown): TypeError =>
  new TypeError(`${callee}: ${name} must be ${what}, received ${describe(value)}`)
