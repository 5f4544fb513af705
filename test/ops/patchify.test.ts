import { describe, expect, it } from 'vitest'
import { patchify, unpatchify } from '../../lib/ops/patchify.js'
import { fromArray, zeros } from '../../lib/tensor/tensor.js'
import { checkOp } from '../check_op.js'
import { type HostArray, randomArray } from '../host_array.js'

/** For each value of the patches, in order, the index of its pixel's value. */
function places(sizes: readonly (readonly [number, number])[], patch: number, C: number): number[] {
  const result: number[] = []
  let first = 0
  for (const [height, width] of sizes) {
    for (let top = 0; top < height; top += patch)
      for (let left = 0; left < width; left += patch)
        for (let row = top; row < top + patch; row++)
          for (let column = left; column < left + patch; column++)
            for (let c = 0; c < C; c++) result.push((first + row * width + column) * C + c)
    first += height * width
  }
  return result
}

const tensorOf = (sizes: readonly (readonly [number, number])[]) =>
  fromArray(Int32Array.from(sizes.flat()), [sizes.length, 2])

describe('patchify and unpatchify', () => {
  it.each([
    [1, 1, [[1, 1]]],
    [
      2,
      3,
      [
        [4, 6],
        [2, 2],
        [0, 4],
        [8, 2],
      ],
    ],
    [
      7,
      1,
      [
        [28, 28],
        [7, 21],
      ],
    ],
    [3, 31, [[33, 93]]],
    [4, 2, []],
  ] as [number, number, [number, number][]][])(
    'cut into patches of %i, %i channels: images of %j',
    async (patch, C, sizes) => {
      const order = places(sizes, patch, C)
      const S = order.length / C
      const [pixelShape, patchShape] = [
        [S, C],
        [S / patch ** 2, patch ** 2 * C],
      ]
      await checkOp({
        inputs: { pixels: randomArray(pixelShape) },
        run: ({ pixels }) => patchify(pixels, tensorOf(sizes), patch),
        reference: ({ pixels }): HostArray => ({
          shape: patchShape,
          data: Float64Array.from(order, (place) => pixels.data[place]!),
        }),
      })
      await checkOp({
        inputs: { patches: randomArray(patchShape) },
        run: ({ patches }) => unpatchify(patches, tensorOf(sizes), patch),
        reference: ({ patches }): HostArray => {
          const data = new Float64Array(order.length)
          order.forEach((place, i) => (data[place] = patches.data[i]!))
          return { shape: pixelShape, data }
        },
      })
    },
  )

  it('name the argument and the value received', async () => {
    const pixels = zeros([36, 1])
    await expect(patchify(pixels, tensorOf([[4, 9]]), 2).read()).rejects.toThrow(
      'patchify: sizes[0, 1] must be at least 0 and a multiple of the patch size 2, received 9',
    )
    await expect(patchify(pixels, tensorOf([[4, 8]]), 2).read()).rejects.toThrow(
      'patchify: sizes must add up to 36 pixels, received 32',
    )
    await expect(
      unpatchify(
        zeros([9, 4]),
        tensorOf([
          [2, 2],
          [-2, 4],
        ]),
        2,
      ).read(),
    ).rejects.toThrow(
      'unpatchify: sizes[1, 0] must be at least 0 and a multiple of the patch size 2, received -2',
    )
    expect(() => patchify(pixels, tensorOf([]), 5)).toThrow(
      'patchify: pixels must have rows for whole patches of 25',
    )
    expect(() => unpatchify(pixels, tensorOf([]), 2)).toThrow(
      'unpatchify: patches must have columns for the pixels',
    )
    expect(() => patchify(pixels, zeros([1, 2]), 2)).toThrow('patchify: sizes must be i32')
    expect(() => patchify(pixels, tensorOf([]), 0)).toThrow('patchify: patch must be an integer')
  })
})
