import { describe, expect, it } from 'vitest'
import { nearest, suggestion } from '../lib/nearest.js'

describe('nearest', () => {
  const names = ['heads', 'layers', 'width', 'learningRate']

  it.each([
    ['haeds', 'heads'],
    ['head', 'heads'],
    ['layerss', 'layers'],
    ['Width', 'width'],
    ['learning_rate', 'learningRate'],
  ])('takes %s for %s', (typed, meant) => expect(nearest(typed, names)).toBe(meant))

  it('takes the nearest of several near names', () =>
    expect(nearest('lever', ['level', 'liver2'])).toBe('level'))

  it('suggests nothing for a name unlike any', () => expect(nearest('optimizer', names)).toBeUndefined())

  it('lists what is known where nothing is near', () => {
    expect(suggestion('optimizer', names)).toBe('; known: heads, layers, width, learningRate')
    expect(suggestion('haeds', names)).toBe('; did you mean "heads"?')
  })
})
