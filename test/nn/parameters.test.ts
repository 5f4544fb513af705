import { expect, it } from 'vitest'
import { ParameterList } from '../../lib/nn/parameters.js'

it('names parameters by the parts of a model, in order, and decays matrices alone', () => {
  const list = new ParameterList()
  list.under('a').under('b').add('weight', [2, 3], { std: 1 }, [2])
  list.add('bias', [2], { value: 0 })
  expect(list.parameters.map(({ name, decay, matrixRows }) => ({ name, decay, matrixRows }))).toEqual([
    { name: 'a.b.weight', decay: true, matrixRows: [2] },
    { name: 'bias', decay: false, matrixRows: undefined },
  ])
})

it('refuses what is no shape, and a tensor before there is an arena', () => {
  const list = new ParameterList().under('layer')
  expect(() => list.add('weight', [2, NaN], { value: 0 })).toThrow(
    'ParameterList.add: shape of layer.weight must be an array of sizes, received [2, NaN]',
  )
  expect(() => list.add('weight', [2], { value: 0 }).tensor).toThrow(
    'parameter layer.weight has no arena yet',
  )
})
