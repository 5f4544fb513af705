import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { withSetting } from '../../lib/config/settings.js'

const config = {
  training: { steps: 5, ema: 0.9 },
  data: { type: 'mixture', sources: [{ path: 'a' }, { path: 'b' }] },
}

describe('withSetting', () => {
  it.each([
    ['training.steps=50', { ...config, training: { ema: 0.9, steps: 50 } }],
    ['training.steps=null', { ...config, training: { ema: 0.9 } }],
    ['precision=bf16', { ...config, precision: 'bf16' }],
    ['objective.prediction=v', { ...config, objective: { prediction: 'v' } }],
    ['samples.prompts=["a", "b=c"]', { ...config, samples: { prompts: ['a', 'b=c'] } }],
    ['name=a=b', { ...config, name: 'a=b' }],
    ['name=', { ...config, name: '' }],
    [
      'data.sources[1].path=c',
      { ...config, data: { type: 'mixture', sources: [{ path: 'a' }, { path: 'c' }] } },
    ],
    [
      'data.sources.0.weight=2',
      { ...config, data: { type: 'mixture', sources: [{ path: 'a', weight: 2 }, { path: 'b' }] } },
    ],
    ['data.sources[0]=null', { ...config, data: { type: 'mixture', sources: [{ path: 'b' }] } }],
  ])('%s', (setting, changed) => {
    const before = structuredClone(config)
    expect(withSetting(config, setting, z.unknown())).toEqual(changed)
    expect(config).toEqual(before)
  })

  it('keeps a name that objects have of their own for the schema to refuse', () => {
    expect(Object.keys(withSetting({}, '__proto__.steps=1', z.unknown()) as object)).toEqual(['__proto__'])
  })

  it.each([
    ['training.steps', 'expected a setting and its value: training.steps=50'],
    ['=3', 'expected a setting and its value: training.steps=50'],
    [
      'training..steps=3',
      'training..steps is no setting; expected names like training.steps or data.sources[0].path',
    ],
    [
      'data.sources[x]=3',
      'data.sources[x] is no setting; expected names like training.steps or data.sources[0].path',
    ],
    ['data.sources[2].path=c', `"2" is none of the list's 2 items, which are counted from 0`],
    ['data.sources.path=c', `"path" is none of the list's 2 items, which are counted from 0`],
    ['training[0]=3', '[0] is an item of a list, and there is none'],
  ])('refuses %s', (setting, fault) => {
    expect(() => withSetting(config, setting, z.unknown())).toThrow(new Error(`--set ${setting}: ${fault}`))
  })
})
