import { expect, it } from 'vitest'
import { formatValue } from '../lib/format_value.js'

const circle: { self?: unknown } = {}
circle.self = circle

it.each([
  [undefined, 'nothing'],
  [null, 'null'],
  ['a', '"a"'],
  [Number.NaN, 'NaN'],
  [7n, '7n'],
  [Symbol('a'), 'Symbol(a)'],
  [[1, 'b'], '[1,"b"]'],
  [Array.from({ length: 1000 }, () => 0), 'array of 1000'],
  [['x'.repeat(100)], 'array of 1'],
  [new Uint8Array(3000), 'Uint8Array of 3000 bytes'],
  [new ArrayBuffer(8), 'ArrayBuffer of 8 bytes'],
  [{ data: new Float32Array(500), width: 3 }, '{"data":"Float32Array of 2000 bytes","width":3}'],
  [{ a: Array.from({ length: 50 }, () => 0) }, '{"a":"array of 50"}'],
  ['x'.repeat(200), `"${'x'.repeat(79)}...`],
  [circle, 'Object'],
])('%# is %s', (value, text) => {
  expect(formatValue(value)).toBe(text)
})
