import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { native } from '../../lib/native.js'
import { memory, setMemoryLimit } from '../../lib/tensor/device.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { TaskTrainer } from '../../lib/training/task_trainer.js'
import { temporaryFolder } from '../temporary_folder.js'
import { settings, start, toy, type ToyOptions } from './toy_companion.js'
import { watchCalls } from './watch_calls.js'

const reasonOf = (promise: Promise<void>) => promise.then(() => 'done', String)

let unwatch = () => {}
afterEach(() => {
  unwatch()
  unwatch = () => {}
})

/** The task, but for `afterUpdate`, whose memory may be out when the weights are updated already. */
function withoutHook({ task }: ReturnType<typeof toy>) {
  const { afterUpdate: _afterUpdate, ...rest } = task
  return rest
}

describe('training with a companion, after a step that failed', () => {
  it.each([false, true])(
    'updates neither network where a gradient is not finite (the companion: %s)',
    async (companion) => {
      using made = toy({ notFinite: { step: 5, companion } })
      using trainer = new TaskTrainer(made.task, settings({ steps: 6, onNonFinite: 'stop' }))
      let before
      const run = trainer.run({
        every: {
          steps: 5,
          run: async () => {
            before = await made.values()
          },
        },
      })
      await expect(run).rejects.toThrow(
        companion
          ? /step 6: the gradient is not finite \(norm \d\S*, follower's norm (NaN|Infinity), loss/
          : /step 6: the gradient is not finite \(norm (NaN|Infinity), follower's norm \d\S*, loss/,
      )
      expect(before).toBeDefined()
      expect(await made.values()).toEqual(before)
    },
  )

  it('is bit for bit the uninterrupted one, or refused, wherever a call throws', async () => {
    const folder = await temporaryFolder()
    const options = settings({ ema: 0.9, steps: 6 })
    using whole = toy()
    using uninterrupted = new TaskTrainer(whole.task, options)
    await uninterrupted.run({
      every: { steps: 4, run: (step) => (step === 4 ? uninterrupted.save(folder) : Promise.resolve()) },
    })
    const expected = await whole.values()
    const { tensors } = memory()
    let [refused, faults] = [0, 0]
    for (let fault = 0, failed = true; failed; fault++) {
      using made = toy()
      using trainer = new TaskTrainer(made.task, options)
      // From the update of the first step that trains both to the next one's.
      let [updates, calls] = [0, 0]
      unwatch = watchCalls((name) => {
        if (name === 'count_step') updates++
        // The model's count, and the companion's.
        if (updates > start && updates < start + 4 && calls++ === fault) throw new Error('a fault')
      })
      failed = (await reasonOf(trainer.run())).includes('a fault')
      unwatch()
      if (failed) faults++
      const again = await reasonOf(trainer.run())
      const isRefused = again.includes('Restore a checkpoint')
      expect(isRefused || again === 'done', again).toBe(true)
      if (isRefused) {
        refused++
        await trainer.restore(folder)
        await trainer.run()
      }
      expect(await made.values()).toEqual(expected)
    }
    expect(memory().tensors).toBe(tensors)
    expect(refused).toBeGreaterThan(10)
    expect(faults).toBeGreaterThan(refused + 50)
  })

  it.each<[string, ToyOptions]>([
    ['AdamW', {}],
    ['Muon', { companion: { optimizer: { type: 'muon' } }, rows: 700 }],
  ])('is bit for bit the uninterrupted one, wherever memory is out: %s', async (_, options) => {
    using whole = toy(options)
    using uninterrupted = new TaskTrainer(withoutHook(whole), settings({ steps: 6 }))
    await uninterrupted.run()
    const expected = await whole.values()
    const { limit } = memory()
    onTestFinished(() => setMemoryLimit(limit))
    let failures = 0
    // Room for ever more of the first update of both.
    for (let room = 0; room < 2 ** 13; room = Math.max(64, 2 * room)) {
      using made = toy(options)
      using trainer = new TaskTrainer(withoutHook(made), settings({ steps: 6 }))
      let norms = 0
      unwatch = watchCalls((name) => {
        if (name === 'gradient_norm' && norms++ === start) setMemoryLimit(memory().live + room)
      })
      const reason = await reasonOf(trainer.run())
      expect(reason).toMatch(/^done$|out of memory/)
      unwatch()
      setMemoryLimit(limit)
      if (reason !== 'done') failures++
      await trainer.run()
      expect(await made.values()).toEqual(expected)
    }
    expect(failures).toBeGreaterThan(0)
  })

  it('hears of an op of `afterUpdate` that has failed, and asks for a checkpoint', async () => {
    const folder = await temporaryFolder()
    using made = toy()
    let wrong = false
    const { task, seen } = made
    const afterUpdate: typeof task.afterUpdate = (step) => {
      task.afterUpdate!(step)
      const rows = fromArray(Int32Array.of(wrong ? 7 : 0))
      native.scatter_add_rows(seen.view([1, 1]).handle, zeros([1, 1]).handle, rows.handle)
    }
    using trainer = new TaskTrainer({ ...task, afterUpdate }, settings({ steps: 4 }))
    await trainer.run({
      every: { steps: 2, run: (step) => (step === 2 ? trainer.save(folder) : Promise.resolve()) },
    })
    const expected = await made.values()
    await trainer.restore(folder)
    wrong = true
    await expect(trainer.run()).rejects.toThrow(/scatter_add_rows: .*7/)
    wrong = false
    await expect(trainer.run()).rejects.toThrow('Restore a checkpoint')
    await trainer.restore(folder)
    await trainer.run()
    expect(await made.values()).toEqual(expected)
  })
})
