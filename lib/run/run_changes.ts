/** What may change of a config from one session of a run to the next. */
import { resolve } from 'node:path'
import { formatValue } from '../describe.js'
import { learningRateAt } from '../training/learning_rate.js'
import { modelRun } from './model_runs.js'
import { type TrainConfig, trainConfigSchema } from './train_config.js'

/** They change nothing that is learned. */
const beside = ['samples', 'checkpoints', 'loading', 'log', 'device'] as const
const besideInTraining = ['recompute', 'onNonFinite', 'spikeFactor', 'products'] as const
/** They say how long to train. */
const lengths = ['steps', 'minutes'] as const
/** Keys of the data and the tokenizer that say where files lie: the documents are to be the same. */
const places = ['path', 'images', 'labels']
/** Files that a checkpoint has a copy of; whoever goes on checks that it is the same. */
const copied = ['model.autoencoder', 'model.frozenEncoder.onnx']

/** For messages. */
export const changeable = [
  ...beside,
  ...[...besideInTraining, ...lengths].map((key) => `training.${key}`),
  'and where data, tokenizer and autoencoder lie',
].join(', ')

/** A setting that two configs have differently. */
export interface Change {
  /** "training.steps", say. */
  key: string
  earlier: unknown
  now: unknown
}

/** The changes that a run's config must not have, and those of where its data lies. */
export function changesOf(earlier: unknown, now: unknown): { refused: Change[]; moved: Change[] } {
  const parsed = [earlier, now].map((config) => trainConfigSchema.safeParse(config))
  // One of another version, say: then they are compared as they stand.
  const configs = parsed.every(({ success }) => success)
    ? parsed.map(({ data }) => withSizes(data!))
    : [earlier, now]
  const [a, b] = configs.map((config) => comparable(config as Record<string, unknown>))
  const changes = differences(a, b)
  const moves = ({ key }: Change) =>
    /^(data|tokenizer)\./.test(key) && places.some((place) => key.endsWith(`.${place}`))
  const same = (change: Change) => samePlace(change.earlier, change.now)
  const isCopied = ({ key, earlier, now }: Change) =>
    copied.includes(key) && typeof earlier === 'string' && typeof now === 'string'
  return {
    refused: changes.filter((change) => !moves(change) && !isCopied(change)),
    moved: changes.filter((change) => moves(change) && !same(change)),
  }
}

export const describeChange = ({ key, earlier, now }: Change): string =>
  `${key} is ${short(now)}, was ${short(earlier)}`

const short = (value: unknown): string => (value === undefined ? 'not set' : formatValue(value))

/** A preset and the sizes that it stands for are the same. */
const withSizes = (config: TrainConfig) => ({
  ...config,
  model: modelRun(config).withSizes,
})

/** A config as far as it must stay as it was. */
const comparable = ({ training, ...rest }: Record<string, unknown>): object => ({
  ...without(rest, beside),
  training: without((training ?? {}) as Record<string, unknown>, [...besideInTraining, ...lengths]),
})

const without = (values: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).filter(([key]) => !keys.includes(key)))

function differences(earlier: unknown, now: unknown, key = ''): Change[] {
  const [a, b] = [membersOf(earlier), membersOf(now)]
  if (!a || !b || (Array.isArray(earlier) && a.size !== b.size))
    return JSON.stringify(earlier) === JSON.stringify(now) ? [] : [{ key, earlier, now }]
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((name) =>
    differences(a.get(name), b.get(name), key === '' ? name : `${key}.${name}`),
  )
}

/** Of an object, or an array of objects. */
function membersOf(value: unknown): Map<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (Array.isArray(value) && !value.every((item) => typeof item === 'object')) return undefined
  return new Map(Object.entries(value))
}

const samePlace = (earlier: unknown, now: unknown): boolean => {
  const [a, b] = [earlier, now].map((paths) => [paths].flat().map((path) => resolve(String(path))))
  return JSON.stringify(a) === JSON.stringify(b)
}

type Length = Pick<TrainConfig['training'], (typeof lengths)[number]>

const describeLength = ({ steps, minutes }: Length): string =>
  steps === undefined ? `${minutes} minutes` : `${steps} steps`

/** What follows from another length of training, after so many steps and seconds; undefined: it is the same. */
export function lengthChange(
  earlier: Length | undefined,
  now: TrainConfig['training'],
  done: { steps: number; seconds: number },
): string | undefined {
  if (!earlier || lengths.every((key) => earlier[key] === now[key])) return undefined
  const rate = (length: Length) =>
    Number(learningRateAt(now.learningRate, done.steps, progressOf(length, done)).toPrecision(3))
  return (
    `training for ${describeLength(now)}, before for ${describeLength(earlier)}: the learning rate follows the new ` +
    `length, and goes on at ${rate(now)} instead of ${rate(earlier)}`
  )
}

/** 0..1 */
export const progressOf = ({ steps, minutes }: Length, done: { steps: number; seconds: number }): number =>
  Math.min(1, steps === undefined ? done.seconds / (minutes! * 60) : done.steps / steps)
