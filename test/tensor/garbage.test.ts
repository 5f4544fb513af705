import { constants, PerformanceObserver } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { fence, memory } from '../../lib/tensor/device.js'
import { keep, scope } from '../../lib/tensor/scope.js'
import { empty, type Tensor, zeros } from '../../lib/tensor/tensor.js'
import { collectGarbage } from '../collect_garbage.js'

/** 64 MiB that nothing touches, so that they cost only addresses. */
const large = () => empty([2 ** 24])

describe('a tensor that nobody freed goes with its JavaScript object', () => {
  it.each<[string, () => Tensor]>([
    ['made outside of scopes', () => zeros([4])],
    ['returned from a scope', () => scope(() => zeros([4]))],
    ['returned through two scopes', () => scope(() => scope(() => zeros([4])))],
    ['kept in a scope', () => scope(() => ({ hidden: () => keep(zeros([4])) }).hidden())],
  ])('%s', async (_, make) => {
    const { tensors } = memory()
    // In a function of its own: a variable of this one would hold it.
    ;(() => expect(make().freed).toBe(false))()
    expect(memory().tensors).toBe(tensors + 1)
    for (let turns = 0; turns < 100 && memory().tensors > tensors; turns++) {
      collectGarbage()
      await setTimeout(1)
    }
    expect(memory().tensors).toBe(tensors)
  })
})

describe('the collector', () => {
  it('is not started by what a step takes and gives back', async () => {
    let collections = 0
    const observer = new PerformanceObserver((list) => {
      for (const { detail } of list.getEntries() as { detail?: { kind?: number } }[])
        if (detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR) collections++
    })
    observer.observe({ entryTypes: ['gc'] })
    for (let step = 0; step < 400; step++) {
      scope(() => void Array.from({ length: 8 }, large))
      await fence()
    }
    await setTimeout(1)
    observer.disconnect()
    expect(collections).toBeLessThan(3)
  })

  it('is started by tensors that are dropped', async () => {
    const mebibyte = 2 ** 20
    let most = 0
    for (let step = 0; step < 100; step++) {
      large()
      await fence()
      await setTimeout(1)
      most = Math.max(most, memory().live)
    }
    expect(most).toBeLessThan(2048 * mebibyte)
  })
})
