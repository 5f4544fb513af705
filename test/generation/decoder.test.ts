import { describe, expect, it } from 'vitest'
import { Decoder } from './decoder.js'
import { uploadLayout } from '../../lib/models/transfusion/device_layout.js'
import { type PixelPart, pixelsOf } from '../../lib/models/transfusion/pixel_parts.js'
import { type Document, documentSpans, type Part, unconditionalPrefix } from '../../lib/sequence/document.js'
import { packDocuments } from '../../lib/sequence/packing.js'
import { scope } from '../../lib/tensor/scope.js'
import { fromArray, full, type Tensor } from '../../lib/tensor/tensor.js'
import { compare } from '../check_op.js'
import { perturbedNetwork, testImagePart, tinyConfig, tokens } from '../models/tiny_model.js'

const text = (...ids: number[]) => ({ type: 'text' as const, ids })
const network = await perturbedNetwork()
const allRows = (rows: number) => Int32Array.from({ length: rows }, (_, row) => row)

async function take(tensor: Tensor): Promise<Float32Array> {
  using owned = tensor
  return owned.readFloats()
}

interface Outputs {
  logits: Float32Array
  predictions: Float32Array
}

/** All documents at once, without a cache: logits of every position, and what is said of every pixel. */
async function uncached(documents: readonly Document<PixelPart>[], t: number): Promise<Outputs> {
  const packed = packDocuments(documents, { patch: tinyConfig.image.patch, tokens })
  const { logits, predictions } = scope(() => {
    const layout = uploadLayout(packed)
    const pixels = fromArray(pixelsOf(packed.images), [-1, 1])
    const hidden = network.hidden(layout, { pixels, t: full([packed.images.length], t) })
    return {
      logits: network.logits(hidden, fromArray(allRows(packed.ids.length))),
      predictions: network.imagePrediction(hidden, layout),
    }
  })
  return { logits: await take(logits), predictions: await take(predictions) }
}

/** One call of a decoder; the sequences go on after it where `commit` says so. */
async function extend(
  decoder: Decoder,
  spans: readonly (readonly Part<PixelPart>[])[],
  { t = 0, commit = true } = {},
): Promise<Outputs> {
  const images = spans.flat().filter((span) => span.type === 'image')
  const { logits, predictions } = scope(() => {
    const call = decoder.prepare(spans)
    const pixels = () => fromArray(pixelsOf(images), [-1, 1])
    const hidden = decoder.run(
      call,
      images.length > 0 ? { pixels: pixels(), t: full([images.length], t) } : undefined,
    )
    if (commit) decoder.commit(call)
    return {
      logits: network.logits(hidden, fromArray(allRows(hidden.size(0)))),
      predictions: images.length > 0 ? network.imagePrediction(hidden, call.layout) : undefined,
    }
  })
  return {
    logits: await take(logits),
    predictions: predictions ? await take(predictions) : new Float32Array(),
  }
}

const concatenated = (arrays: readonly Float32Array[]) => Float32Array.from(arrays.flatMap((a) => [...a]))

describe('Decoder', () => {
  const image = testImagePart(4, 4, 1)
  const second = testImagePart(4, 6, 2)
  const document: Document<PixelPart> = {
    parts: [text(5, 6), image, text(7, 8), second, text(9)],
    end: false,
  }

  it('gives, step by step, the logits of the uncached computation', async () => {
    const spans = documentSpans(document, tokens)
    using decoder = new Decoder(network, [40])
    const steps: Float32Array[] = []
    for (const span of spans) {
      const pieces = span.type === 'image' ? [span] : [...span.ids].map((id) => text(id))
      for (const piece of pieces) steps.push((await extend(decoder, [[piece]])).logits)
    }
    compare('logits', concatenated(steps), (await uncached([document], 0)).logits, 'f32')
  })

  it('extends sequences of different lengths in one call as each alone', async () => {
    const other: Document<PixelPart> = { parts: [second, text(10)], end: false }
    using decoder = new Decoder(network, [30, 40])
    const { logits } = await extend(decoder, [documentSpans(document, tokens), documentSpans(other, tokens)])
    compare('logits', logits, (await uncached([document, other], 0)).logits, 'f32')
  })

  it('predicts with a cached prefix what the whole sequence predicts, in both branches of guidance', async () => {
    const conditional: Document<PixelPart> = { parts: [text(5, 6), second], end: false }
    const unconditional: Document<PixelPart> = { parts: [second], end: false }
    using decoder = new Decoder(network, [20, 20])
    await extend(decoder, [[text(tokens.bos, 5, 6, tokens.boi)], [unconditionalPrefix(tokens)]])
    for (const t of [900, 400, 3]) {
      const { predictions } = await extend(decoder, [[second], [second]], { t, commit: false })
      const expected = await uncached([conditional, unconditional], t)
      compare(`t = ${t}`, predictions, expected.predictions, 'f32')
      // The branches differ, or the comparison would say nothing of the condition.
      expect(predictions.subarray(0, 24)).not.toEqual(predictions.subarray(24))
    }
  })

  it('goes on after an image as if it had always been clean', async () => {
    using decoder = new Decoder(network, [40])
    const noisy = testImagePart(4, 6, 77)
    await extend(decoder, [[text(tokens.bos, 5, tokens.boi)]])
    for (const t of [900, 500]) await extend(decoder, [[noisy]], { t, commit: false })
    const image = await extend(decoder, [[second, text(tokens.eoi)]])
    const after = await extend(decoder, [[text(6, 7)]])
    const whole = await uncached([{ parts: [text(5), second, text(6, 7)], end: false }], 0)
    const expected = whole.logits.subarray(3 * tinyConfig.vocabulary)
    compare('logits', concatenated([image.logits, after.logits]), expected, 'f32')
  })

  it('forgets a sequence that is restarted', async () => {
    using decoder = new Decoder(network, [30])
    await extend(decoder, [documentSpans(document, tokens)])
    decoder.restart(0)
    const again: Document<PixelPart> = { parts: [text(9, 5), image], end: false }
    const { logits } = await extend(decoder, [documentSpans(again, tokens)])
    compare('logits', logits, (await uncached([again], 0)).logits, 'f32')
  })

  it('refuses more positions than it has slots', () => {
    using decoder = new Decoder(network, [3])
    expect(() => decoder.prepare([[text(1, 5, 6, 7)]])).toThrow('sequence 0 needs 4 cache slots, has 3')
  })
})
