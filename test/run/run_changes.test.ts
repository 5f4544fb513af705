import { expect, it } from 'vitest'
import { changesOf, describeChange, lengthChange } from '../../lib/run/run_changes.js'
import { transfusionTrainingSchema } from '../../lib/models/transfusion/training/options.js'

const image = { channels: 1, patch: 4, height: 8, width: 8 }
const config = {
  data: { type: 'folder', path: 'pictures' },
  model: { preset: 'tiny', image },
  training: { steps: 100 },
}

/** Of a config with something else in a part. */
const changes = (part: string, values: object, earlier: object = config) => {
  const now = { ...earlier, [part]: { ...(earlier as Record<string, object>)[part], ...values } }
  const { refused, moved } = changesOf(earlier, now)
  return { refused: refused.map(describeChange), moved: moved.map(describeChange) }
}

const none = { refused: [], moved: [] }

it('lets go on with what changes nothing that was learned', () => {
  for (const [part, values] of [
    ['training', { recompute: true, onNonFinite: 'stop', spikeFactor: 7 }],
    ['training', { steps: 500 }],
    ['training', { steps: undefined, minutes: 3 }],
    ['samples', { every: 3, prompts: ['a'], guidance: 1 }],
    ['checkpoints', { every: 7, keep: 9, onSaveError: 'stop' }],
    ['loading', { workers: 3, onUnreadable: 'skip' }],
    ['log', { every: 3, tensorboard: false }],
  ] as const)
    expect(changes(part, values), part).toEqual(none)
})

it('takes defaults that are written out, and sizes of a preset, for what they are', () => {
  expect(changes('training', { imageWeight: 5, optimizer: { type: 'adamw' } })).toEqual(none)
  expect(changesOf(config, { ...config, precision: 'f32' })).toEqual(none)
  expect(changes('model', { preset: undefined })).toEqual(none)
})

it('takes old names of settings for the current ones', () => {
  const named = (training: object, checkpoints: object) => ({
    ...config,
    training: { steps: 9, ...training },
    checkpoints,
  })
  const old = named({ accumulate: 2 }, { onUnwritten: 'stop' })
  expect(changesOf(old, named({ gradientAccumulation: 2 }, { onSaveError: 'stop' }))).toEqual(none)
  expect(changesOf(old, named({ gradientAccumulation: 3 }, {})).refused.map(describeChange)).toEqual([
    'training.gradientAccumulation is 3, was 2',
  ])
})

it('tells where data lies elsewhere, in each source of a mixture, and not where the path is but written otherwise', () => {
  expect(changes('data', { path: '/elsewhere/pictures' })).toEqual({
    refused: [],
    moved: ['data.path is "/elsewhere/pictures", was "pictures"'],
  })
  expect(changes('data', { path: './pictures/' })).toEqual(none)
  const mixture = (...paths: string[]) => ({
    type: 'mixture',
    sources: paths.map((path) => ({ type: 'text', path: [path] })),
  })
  const mixed = { ...config, data: mixture('a', 'b') }
  expect(changes('data', mixture('a', 'c'), mixed).moved).toEqual(['data.sources.1.path is ["c"], was ["b"]'])
  expect(changes('data', mixture('a'), mixed).refused).toHaveLength(1)
  const tokenizer = { ...config, tokenizer: { type: 'file', path: 'old.json' } }
  expect(changes('tokenizer', { path: 'new.json' }, tokenizer).refused).toEqual([])
})

it('refuses what would have made another run of it, naming both values', () => {
  for (const [part, values, message] of [
    ['training', { batchSize: 5 }, 'training.batchSize is 5, was not set'],
    ['training', { seed: 1 }, 'training.seed is 1, was 0'],
    ['training', { learningRate: { peak: 1 } }, 'training.learningRate.peak is 1, was 0.0003'],
    ['model', { layers: 9 }, 'model.layers is 9, was 4'],
    ['data', { type: 'jsonl' }, 'data.type is "jsonl", was "folder"'],
  ] as const)
    expect(changes(part, values).refused).toContain(message)
})

it('compares as they stand configs that another version wrote', () => {
  const old = { ...config, gone: 1, samples: { grid: 3 } }
  expect(changes('training', { seed: 3 }, old).refused).toEqual(['training.seed is 3, was not set'])
  expect(changes('training', { steps: 300 }, old).refused).toEqual([])
})

it('says what longer training does to the learning rate', () => {
  const learningRate = { peak: 1, final: 0, warmupSteps: 0 }
  const options = (length: object) => transfusionTrainingSchema.parse({ ...length, learningRate })
  const done = { steps: 100, seconds: 60 }
  expect(lengthChange({ steps: 100 }, options({ steps: 100 }), done)).toBeUndefined()
  expect(lengthChange(undefined, options({ steps: 100 }), done)).toBeUndefined()
  expect(lengthChange({ steps: 100 }, options({ steps: 200 }), done)).toBe(
    'training for 200 steps, before for 100 steps: the learning rate follows the new length, and goes on at 0.5 instead of 0',
  )
  expect(lengthChange({ steps: 100 }, options({ minutes: 2 }), done)).toContain(
    'for 2 minutes, before for 100',
  )
})
