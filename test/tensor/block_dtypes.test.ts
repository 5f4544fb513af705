import { describe, expect, it } from 'vitest'
import { add } from '../../lib/ops/add.js'
import { transpose } from '../../lib/ops/transpose.js'
import { reshape } from '../../lib/ops/reshape.js'
import { blockDTypes, rowBytes } from '../../lib/tensor/dtype.js'
import { empty, fromArray } from '../../lib/tensor/tensor.js'

describe('tensors of block dtypes', () => {
  it.each(blockDTypes)('hold the bytes that they were given: %s', async (dtype) => {
    const size = rowBytes(dtype, 512)
    const bytes = Uint8Array.from({ length: 6 * size }, (_, i) => i * 7)
    const tensor = fromArray(bytes, [2, 3, 512], dtype)
    expect(tensor.bytes).toBe(6 * size)
    expect(`${tensor}`).toContain(`a tensor of ${dtype} [2, 3, 512]`)
    expect(await tensor.readBytes()).toEqual(bytes)
    expect(await tensor.view([2, 512], 512).readBytes()).toEqual(bytes.slice(size, 3 * size))
    expect(await reshape(tensor, [6, 512]).readBytes()).toEqual(bytes)
  })

  it('knows the bytes of a row', () => {
    expect(rowBytes('int8', 50)).toBe(56)
    expect(rowBytes('q4_1', 576)).toBe(360)
    expect(rowBytes('q6_k', 512)).toBe(420)
    expect(rowBytes('bf16', 3)).toBe(6)
    expect(() => rowBytes('q4_k', 32)).toThrow(
      'a row of q4_k must be whole blocks of 256, received 32 values',
    )
  })

  it('names what was wrong', () => {
    expect(() => empty([2, 40], 'q8_0')).toThrow(
      'shape of q8_0 must have a last axis of whole blocks of 32, received [2, 40]',
    )
    expect(() => empty([], 'q8_0')).toThrow('whole blocks of 32')
    const tensor = empty([4, 64], 'q4_0')
    expect(() => tensor.view([8, 32])).toThrow('is not of whole rows of a tensor of q4_0 [4, 64]')
    expect(() => tensor.view([1, 64], 32)).toThrow('is not of whole rows')
    expect(() => tensor.write(new Float32Array(256))).toThrow('cannot be written to a tensor of q4_0')
    expect(() => tensor.write(new Uint8Array(5))).toThrow('a Uint8Array of 5 cannot be written')
    expect(() => add(tensor, tensor)).toThrow('add: a must be f32 or bf16, received a tensor of q4_0')
    expect(() => transpose(tensor, 0, 1)).toThrow('transpose: shape of q4_0 must have')
    const square = empty([64, 64], 'q4_0')
    expect(() => transpose(square, 0, 1)).toThrow('transpose: y must not be of a block dtype, received q4_0')
  })
})
