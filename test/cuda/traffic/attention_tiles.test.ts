// How many of the scores that a dense mask would compute attention computes, by what its tensor core instructions multiply.
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { native } from '../../../lib/native.js'
import { fromArray, full } from '../../../lib/tensor/tensor.js'
import { fence } from '../../../lib/tensor/device.js'
import { type HostSpans, packedSpans } from '../../reference/attention.js'
import { launches, random, zeros } from './traffic.js'

/** Two images of 256 patches each in a document of 1024 positions, as in the step that the report predicts. */
const withImages = [128, -256, 256, -256, 128]
const images = '4 documents of 1024 positions, half of them of images'
const masks: Record<string, HostSpans> = {
  'a text of 2048 tokens': packedSpans([[2048]]),
  '4 texts of 1024 tokens': packedSpans([[1024], [1024], [1024], [1024]]),
  [images]: packedSpans([withImages, withImages, withImages, withImages]),
  'documents of 20 to 2000 positions, with images of 64 and 256 patches': packedSpans([
    [20],
    [100, -64, 30],
    [700, -256, 200, -64, 780],
    [5, -64, -64, -64, 3],
    [40, -256, 40],
    [300],
    [10, -256, -256, 90],
    [434],
  ]),
}

/** Products of each pair of a row and a key. */
const products = { attention: 2, attention_dq: 3, attention_dkv: 4 } as const
type Pass = keyof typeof products

const flopsOfInstruction = 2 * 16 * 8 * 16

/**
 * `mask` is one of the above. q and k are independent, as where training begins: only the first rows of a document give a key a
 * quarter of themselves, so that attention_backward multiplies what rounding p loses. `peaked`: each row sees mostly itself, and
 * all tiles on the diagonal are such.
 */
interface Case {
  mask: string
  D: number
  peaked?: boolean
}
const cases: Case[] = [
  ...Object.keys(masks).map((mask) => ({ mask, D: 64 })),
  { mask: images, D: 128 },
  { mask: images, D: 128, peaked: true },
]
const nameOf = ({ mask, peaked }: Case) => (peaked ? `${mask}, rows that see mostly themselves` : mask)

function run(spans: HostSpans, { D, peaked }: Case): void {
  const T = spans.keyStart.length
  const [q, k, v, dy] = [1, peaked ? 1 : 2, 3, 4].map((seed) => random([T, 1, D], 'bf16', seed).handle) as [
    number,
    number,
    number,
    number,
  ]
  const [y, yLo, dq, dk, dv] = [1, 2, 3, 4, 5].map(() => zeros([T, 1, D], 'bf16').handle) as [
    number,
    number,
    number,
    number,
    number,
  ]
  const lse = full([1, T], 0).handle
  const handles = [spans.keyStart, spans.keyEnd, spans.queryRows, spans.keyRows].map(
    (values) => fromArray(values).handle,
  ) as [number, number, number, number]
  const scale = D ** -0.5
  native.attention(y, yLo, lse, q, k, v, ...handles, scale)
  native.attention_backward(dq, dk, dv, dy, y, yLo, lse, q, k, v, ...handles, scale)
}

describe('attention leaves out tiles that nobody sees', () => {
  const rows: unknown[] = []

  it.each(cases.map((one) => [nameOf(one), one.D, one] as const))('%s, heads of %i', async (mask, D, one) => {
    const spans = masks[one.mask]!
    const dense = spans.keyStart.length ** 2
    const visible = spans.keyEnd.reduce((total, end, q) => total + end - spans.keyStart[q]!, 0)
    await fence()
    const before = launches().length
    run(spans, one)
    await fence()
    const made = launches().slice(before)
    for (const pass of Object.keys(products) as Pass[]) {
      const { instructions_matrix } = made.find(({ kernel }) => kernel === `${pass}_${D}`)!
      const computed = (instructions_matrix * flopsOfInstruction) / (2 * D * products[pass])
      rows.push({ mask, kernel: `${pass}_${D}`, dense, visible, computed })
      expect(computed).toBeGreaterThanOrEqual(visible)
      // Of a tile that a document or an image ends in, a part is computed for nothing.
      expect.soft((computed - visible) / dense, pass).toBeLessThan(0.05)
    }
  })

  afterAll(() => {
    const folder = fileURLToPath(new URL('../../../build/cuda/counters/', import.meta.url))
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${folder}attention_tiles.json`, `${JSON.stringify(rows, null, 1)}\n`)
  })
})
