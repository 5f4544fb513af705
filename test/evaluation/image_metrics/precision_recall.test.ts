import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { frechetDistance, momentsOf } from '../../../lib/evaluation/image_metrics/frechet.js'
import { kernelDistance } from '../../../lib/evaluation/image_metrics/kid.js'
import { precisionRecall } from '../../../lib/evaluation/image_metrics/precision_recall.js'
import { precisionRecall as inAnotherThread } from '../../../lib/evaluation/image_metrics/statistics.js'
import { readSafetensors } from '../../../lib/files/safetensors/safetensors.js'

const folder = new URL('../../fixtures/fid/', import.meta.url)
const { cases } = JSON.parse(await readFile(new URL('fid.json', folder), 'utf8'))
const { tensors } = await readSafetensors(new URL('fid.safetensors', folder).pathname)
const features = (name: string) => {
  const { shape, data } = tensors.get(name)!
  return { data: data as Float32Array, width: shape[1]! }
}

describe.each(Object.keys(cases))('features "%s"', (name) => {
  const [a, b] = [features(`${name}.a`), features(`${name}.b`)]
  const { fid, kid, precision_recall } = cases[name]

  it("have torch-fidelity's precision and recall", () => {
    const { precision, recall } = precisionRecall(a, b)
    expect(precision).toBeCloseTo(precision_recall.precision, 6)
    expect(recall).toBeCloseTo(precision_recall.recall, 6)
  })

  it('have the FID that singular values give', () => {
    expect(frechetDistance(momentsOf(a), momentsOf(b))).toBeCloseTo(fid.by_singular_values, 5)
  })

  it.skipIf(kid.all_clean_fid === undefined)("have clean-fid's KID over all rows", () => {
    expect(kernelDistance(a, b).kid).toBeCloseTo(kid.all_clean_fid, 9)
  })
})

describe('precisionRecall', () => {
  it('is computed in another thread alike', async () => {
    const [a, b] = [features('many.a'), features('many.b')]
    expect(await inAnotherThread(a, b)).toEqual(precisionRecall(a, b))
  })

  it('counts the neighbours that it is told', () => {
    // On a line: the balls of 0, 1, 3 have radii 1, 1, 2 by the nearest other, and 3, 2, 3 by the second.
    const real = { data: Float32Array.of(0, 1, 3), width: 1 }
    const generated = { data: Float32Array.of(-2, 5, 9), width: 1 }
    expect(precisionRecall(generated, real, 1).precision).toBeCloseTo(1 / 3, 12)
    expect(precisionRecall(generated, real, 2).precision).toBeCloseTo(2 / 3, 12)
  })

  it('refuses sets that cannot be compared', () => {
    const set = (count: number, width: number) => ({ data: new Float32Array(count * width), width })
    expect(() => precisionRecall(set(3, 2), set(9, 2))).toThrow('more than 3 vectors')
    expect(() => precisionRecall(set(9, 2), set(9, 3))).toThrow('received [9, 2] and [9, 3]')
    expect(() => precisionRecall(set(9, 2), set(9, 2), 0)).toThrow('neighbours must be an integer')
  })
})
