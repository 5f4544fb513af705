import { createContext, runInContext } from 'node:vm'
import { expect, it } from 'vitest'
import { describe as words, formatKeys, formatValue } from '../lib/describe.js'

const foreign = (code: string) => runInContext(code, createContext({})) as unknown

class Camera {
  readonly lens = 50
}

it.each([
  [undefined, 'nothing'],
  [null, 'null'],
  [7, '7'],
  [Number.NaN, 'NaN'],
  [7n, '7n'],
  [Symbol('s'), 'Symbol(s)'],
  ['a cat', '"a cat"'],
  [() => 1, 'a function'],
  [[], '[]'],
  [[1, 'a', null], '[1, "a", null]'],
  [[[1, 2], [3]], '[an array of 2, an array of 1]'],
  [Array(1000).fill(0), 'an array of 1000'],
  [Array(20).fill('a long text'), 'an array of 20'],
  [new Uint8Array(500), 'a Uint8Array of 500 values'],
  [new BigInt64Array(2), 'a BigInt64Array of 2 values'],
  [Buffer.alloc(3), 'a Uint8Array of 3 values'],
  [new DataView(new ArrayBuffer(4)), 'a DataView of 4 bytes'],
  [new ArrayBuffer(4), 'an ArrayBuffer of 4 bytes'],
  [new SharedArrayBuffer(4), 'a SharedArrayBuffer of 4 bytes'],
  [new Blob(['abc']), 'a Blob of 3 bytes'],
  [Promise.resolve(1), 'a promise, which is to be awaited'],
  [new URL('https://a.org/b.png'), 'https://a.org/b.png'],
  [{ width: 2, data: [1] }, 'an object { width, data }'],
  [{}, 'an empty object'],
  [Object.create(null), 'an object'],
  [new Camera(), 'a Camera'],
  [new Map([[1, 2]]), 'a Map'],
  [new Error('no such\nfile'), 'Error: no such file'],
])('says %o in a few words', (value, expected) => {
  expect(words(value)).toBe(expected)
})

it('shortens long texts', () => {
  expect(words('x'.repeat(10_000))).toBe(`"${'x'.repeat(79)}...`)
  expect(words({ ['k'.repeat(10_000)]: 1 }).length).toBeLessThan(110)
  expect(words(new Error('x'.repeat(10_000))).length).toBeLessThan(100)
})

it('knows the values of another realm', () => {
  expect(words(foreign('new Uint8Array(9)'))).toBe('a Uint8Array of 9 values')
  expect(words(foreign('new ArrayBuffer(9)'))).toBe('an ArrayBuffer of 9 bytes')
  expect(words(foreign('Promise.resolve()'))).toBe('a promise, which is to be awaited')
  expect(words(foreign('({ a: 1 })'))).toBe('an object { a }')
})

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
  [Array.from({ length: 1000 }, () => 0), 'an array of 1000'],
  [['x'.repeat(100)], 'an array of 1'],
  [new Uint8Array(3000), 'a Uint8Array of 3000 values'],
  [new ArrayBuffer(8), 'an ArrayBuffer of 8 bytes'],
  [{ data: new Float32Array(500), width: 3 }, '{"data":"a Float32Array of 500 values","width":3}'],
  [{ a: Array.from({ length: 50 }, () => 0) }, '{"a":"an array of 50"}'],
  ['x'.repeat(200), `"${'x'.repeat(79)}...`],
  [{ name: 'x'.repeat(200) }, `{"name":"${'x'.repeat(71)}...`],
  [circle, 'an object { self }'],
])('writes %# as JSON, in one line', (value, text) => {
  expect(formatValue(value)).toBe(text)
})

it('names the keys of an object, the first of many', () => {
  expect(formatKeys({ a: 1, 'b c': 2 })).toBe('"a", "b c"')
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [i, i]))
  expect(formatKeys(many)).toBe('"0", "1", "2", "3", "4", "5", "6", "7", "8", "9" and 2 more')
})
