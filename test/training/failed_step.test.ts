import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { memory, setMemoryLimit } from '../../lib/tensor/device.js'
import { fromArray } from '../../lib/tensor/tensor.js'
import type { TransfusionTrainingSettings } from '../../lib/models/transfusion/training/options.js'
import { temporaryFolder } from '../temporary_folder.js'
import { newTraining as trainingOf } from './new_training.js'
import { trainedConfig } from './synthetic_dataset.js'
import { watchCalls } from './watch_calls.js'

const tiny = { ...trainedConfig, layers: 1, channels: 16, heads: 2, feedForward: 32 }
const settings = (more: Partial<TransfusionTrainingSettings>): TransfusionTrainingSettings => ({
  seed: 5,
  steps: 5,
  batchSize: 4,
  gradientAccumulation: 4,
  learningRate: { peak: 3e-3, final: 1e-4, warmupSteps: 2 },
  ema: 0.9,
  ...more,
})

let unwatch = () => {}
const limit = memory().limit
afterEach(() => {
  unwatch()
  unwatch = () => {}
  setMemoryLimit(limit)
})

const newTraining = (options: TransfusionTrainingSettings) => trainingOf(tiny, options)

/** The weights that training ends with, and a checkpoint of its first step. */
async function uninterrupted(options: TransfusionTrainingSettings) {
  using training = newTraining(options)
  const checkpoint = await temporaryFolder()
  const every = {
    steps: 1,
    run: async (step: number) => void (step === 1 && (await training.trainer.save(checkpoint))),
  }
  await training.trainer.run({ every })
  return { weights: await training.weights(), checkpoint }
}

const reasonOf = (promise: Promise<void>) => promise.then(() => 'done', String)

type Whole = Awaited<ReturnType<typeof uninterrupted>>

/**
 * Lets `fault` look at each native call from the first step's update on, until it has made training fail, and then goes on: by another run, and by `restore`. Fails where any weights are others than of uninterrupted training, or tensors are
 * left behind. Returns whether the other run was refused, and how training failed.
 */
async function failAndGoOn(
  options: TransfusionTrainingSettings,
  { weights, checkpoint }: Whole,
  fault: (name: string, values: unknown[]) => void,
): Promise<{ refused: boolean; message: string }> {
  const { tensors } = memory()
  const outcome = { refused: false, message: '' }
  {
    using training = newTraining(options)
    const { trainer } = training
    let updating = false
    unwatch = watchCalls((name, values) => {
      if (updating) fault(name, values)
      updating ||= name === 'count_step'
    })
    outcome.message = await reasonOf(trainer.run())
    unwatch()
    setMemoryLimit(limit)
    const again = await reasonOf(trainer.run())
    outcome.refused = again.includes('Restore a checkpoint')
    const saved = await reasonOf(trainer.save(join(checkpoint, 'again')))
    expect([again, saved]).toEqual(outcome.refused ? [again, again] : ['done', 'done'])
    const reached = await training.weights()
    expect(outcome.refused || Buffer.from(reached.buffer).equals(Buffer.from(weights.buffer))).toBe(true)
    await trainer.restore(checkpoint)
    await trainer.run()
    expect(await training.weights()).toEqual(weights)
  }
  expect(memory().tensors).toBe(tensors)
  return outcome
}

/** The native calls from the first step's update to the end of the second, and where the second's update begins. */
async function callsOfStep(options: TransfusionTrainingSettings, whole: Whole) {
  const names: string[] = []
  await failAndGoOn({ ...options, steps: 2 }, whole, (name) => names.push(name)).catch(() => {})
  unwatch()
  return { names, update: names.indexOf('count_step') }
}

const everyFew = (count: number, stride: number) =>
  Array.from({ length: Math.ceil(count / stride) }, (_, i) => i * stride)

describe('training after a step that failed', () => {
  it.each<[string, Partial<TransfusionTrainingSettings>, number]>([
    ['AdamW, an average', {}, 2],
    ['AdamW, recomputing', { recompute: true, ema: 0 }, 3],
    ['Muon, an average', { optimizer: { type: 'muon' } }, 11],
  ])(
    'is bit for bit the uninterrupted one, or refused, wherever a call throws: %s',
    async (_, more, stride) => {
      const options = settings(more)
      const whole = await uninterrupted(options)
      const { names, update } = await callsOfStep(options, whole)
      const faults = [
        ...everyFew(update, 211),
        ...everyFew(names.length, stride).filter((i) => i > update - 3),
      ]
      const refused: number[] = []
      for (const fault of faults) {
        let count = 0
        const outcome = await failAndGoOn(options, whole, () => {
          if (count++ === fault) throw new Error('a fault')
        })
        expect(outcome.message).toContain('a fault')
        if (outcome.refused) refused.push(fault)
      }
      // Only an update can be cut off so that it cannot be taken back, the first step's, which comes first, or the second's.
      const updates = /^(count_step|view|adamw|muon|accumulate|matmul|create|fill|cast|read|ema)/
      for (const fault of refused) expect(names[fault]).toMatch(updates)
      const endOfFirst = names.indexOf('read')
      expect(refused.filter((fault) => fault > endOfFirst + 9 && fault < update)).toEqual([])
      expect(refused.length).toBeGreaterThan(3)
    },
  )

  it.each<[string, Partial<TransfusionTrainingSettings>]>([
    ['AdamW', {}],
    ['Muon', { optimizer: { type: 'muon' } }],
  ])('is bit for bit the uninterrupted one, wherever memory is out: %s', async (_, more) => {
    const options = settings(more)
    const whole = await uninterrupted(options)
    const { names, update } = await callsOfStep(options, whole)
    const made = names.flatMap((name, i) =>
      name === 'create' && i > names.indexOf('read') && i < update ? [i] : [],
    )
    const begin = names.lastIndexOf('embedding_backward')
    const fail = async (at: number, room: number) => {
      let count = 0
      const { refused, message } = await failAndGoOn(options, whole, () => {
        if (count++ === at) setMemoryLimit(memory().live + Math.floor(room))
      })
      expect(refused, message).toBe(false)
      return message
    }
    for (const at of made.filter((i, n) => n % 151 === 0 || i > begin))
      expect(await fail(at, 0)).toContain('out of memory')
    // Room for ever more of the update.
    for (let room = 2 ** 9; room < 2 ** 17; room *= 2) await fail(begin, room)
  })

  it('is bit for bit the uninterrupted one after a kernel has failed on the device', async () => {
    const whole = await uninterrupted(settings({}))
    using ids = fromArray(Int32Array.of(999))
    for (const part of [0, 1, 3]) {
      let count = 0
      const { refused, message } = await failAndGoOn(settings({}), whole, (name, values) => {
        if (name === 'gather_rows' && count++ === part) values[2] = ids.handle
      })
      expect({ refused, message }).toEqual({ refused: false, message: expect.stringContaining('999') })
    }
  })
})
