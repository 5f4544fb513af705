import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { noGrad } from '../../../lib/autograd/tape.js'
import { documentLikelihoods, type Likelihood } from '../../../lib/evaluation/text/likelihood.js'
import { uploadAttentionMetadata } from '../../../lib/nn/attention_metadata.js'
import type { TransfusionNetwork } from '../../../lib/models/transfusion/model.js'
import type { EncodedPart } from '../../../lib/sequence/image_parts.js'
import type { DocumentParts } from '../../../lib/sequence/document.js'
import { packDocuments } from '../../sequence/pack_documents.js'
import { memory } from '../../../lib/tensor/device.js'
import { scope } from '../../../lib/tensor/scope.js'
import { fromArray } from '../../../lib/tensor/tensor.js'
import { perturbedNetwork, testImagePart, tinyConfig, tokens } from '../../models/transfusion/tiny_model.js'

let network: TransfusionNetwork
beforeAll(async () => {
  network = await perturbedNetwork()
})
afterAll(() => network[Symbol.dispose]())

const text = (ids: number[], weight?: number) =>
  ({ type: 'text', ids, ...(weight !== undefined && { weight }) }) as const

async function likelihoods(
  documents: readonly DocumentParts<EncodedPart>[],
  positions?: number,
): Promise<Likelihood[]> {
  const all: Likelihood[] = []
  for await (const likelihood of documentLikelihoods(network, documents, { positions })) all.push(likelihood)
  return all
}

/** -log softmax of each id of a text after BOS and the ids before it, in float64 from the model's logits. */
async function lossesOf(ids: number[]): Promise<number[]> {
  const document = { parts: [text(ids)], end: false }
  const logits = noGrad(() =>
    scope(() => {
      const packed = packDocuments([document], { patch: tinyConfig.image.patch, tokens })
      const layout = uploadAttentionMetadata(packed, tinyConfig.image)
      return network.logits(network.forward(layout).hidden, fromArray(Int32Array.from(ids.keys())))
    }),
  )
  const values = await logits.readFloats()
  logits.free()
  return ids.map((id, i) => {
    const row = Array.from(values.subarray(i * tinyConfig.vocabulary, (i + 1) * tinyConfig.vocabulary))
    return Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[id]!
  })
}

describe('documentLikelihoods', () => {
  it('sums over the tokens that are no context', async () => {
    const ids = [5, 9, 7, 11, 6]
    const losses = await lossesOf(ids)
    const [all, last, none] = await likelihoods([
      { parts: [text(ids)], end: false },
      { parts: [text(ids.slice(0, 3), 0), text(ids.slice(3))], end: false },
      { parts: [text(ids, 0)], end: false },
    ])
    expect(all!.tokens).toBe(5)
    expect(all!.nll).toBeCloseTo(
      losses.reduce((sum, loss) => sum + loss, 0),
      4,
    )
    expect(last!.tokens).toBe(2)
    expect(last!.nll).toBeCloseTo(losses[3]! + losses[4]!, 4)
    expect(none).toEqual({ nll: 0, tokens: 0 })
  })

  it('counts the end of a document where it has one, and never BOI', async () => {
    const image = testImagePart(4, 6, 1)
    const found = await likelihoods([
      { parts: [image, text([7])], end: true },
      { parts: [image, text([7])], end: false },
      { parts: [text([7]), image], end: false },
    ])
    expect(found.map((likelihood) => likelihood.tokens)).toEqual([2, 1, 1])
    expect(found[0]!.nll).toBeGreaterThan(found[1]!.nll)
  })

  it('gives each document the same in any batch, in order', async () => {
    const documents = Array.from({ length: 9 }, (_, i): DocumentParts<EncodedPart> => ({
      parts: [
        ...(i % 3 === 0 ? [testImagePart(4, 6, i)] : []),
        text(Array.from({ length: i + 1 }, (_, k) => 5 + ((i + k) % 7))),
      ],
      end: i % 2 === 0,
    }))
    const together = await likelihoods(documents)
    const alone = await likelihoods(documents, 1)
    const some = await likelihoods(documents, 25)
    for (const [i, likelihood] of together.entries())
      for (const other of [alone[i]!, some[i]!]) {
        expect(other.tokens).toBe(likelihood.tokens)
        expect(other.nll).toBeCloseTo(likelihood.nll, 4)
      }
  })

  it('stops at an abort, and leaves no memory behind', async () => {
    const { live } = memory()
    const documents = Array.from({ length: 20 }, () => ({ parts: [text([5, 6, 7])], end: false }))
    const controller = new AbortController()
    const run = async () => {
      for await (const _ of documentLikelihoods(network, documents, {
        positions: 8,
        signal: controller.signal,
      }))
        controller.abort(new Error('enough'))
    }
    await expect(run()).rejects.toThrow('enough')
    await likelihoods(documents.slice(0, 1))
    expect(memory().live).toBe(live)
  })
})
