import type { Image } from '../data/document.js'
import { imageFromFloats } from '../data/pixels.js'
import { parseConfig } from '../config.js'
import type { ModelParts } from '../models/transfusion/folder.js'
import { type PixelPart, pixelsOf, specialTokens } from '../models/transfusion/pixel_parts.js'
import { documentSpans, type ImagePart, type Part, unconditionalPrefix } from '../sequence/document.js'
import { advance, sequenceStart } from '../sequence/layout.js'
import type { Job } from '../tensor/job.js'
import { fromArray, zeros } from '../tensor/tensor.js'
import { Decoder } from './decoder.js'
import { denoiseImages, denoiseSettings } from './denoise.js'
import { AbortableJob, infer } from './infer.js'
import { nextTokens, ruleOut } from './next_token.js'
import { type ImageOptions, imageOptionsSchema } from './options.js'
import { type Prompt, promptParts } from './prompt.js'

/** Draws one image after each prompt, all together; image i depends on prompt i and seeds[i] alone (to rounding). */
export async function drawImages(
  { network, tokenizer, objective }: ModelParts,
  prompts: readonly Prompt[],
  seeds: readonly number[],
  imageOptions: ImageOptions = {},
  signal?: AbortSignal,
): Promise<Image[]> {
  const options = parseConfig(imageOptionsSchema, imageOptions, 'image options')
  const { config } = network
  const tokens = specialTokens(config)
  const { height, width, patch, channels } = config.image
  const drawn: ImagePart = { type: 'image', height, width }
  const boi: Part = { type: 'text', ids: [tokens.boi] }
  const conditional = prompts.map((prompt) => [
    ...documentSpans({ parts: promptParts(prompt, tokenizer, config), end: false }, tokens),
    boi,
  ])
  const unconditional = options.guidance === 1 ? [] : prompts.map(() => [unconditionalPrefix(tokens)])
  const spans = [...conditional, ...unconditional]

  return cancellable(signal, async (job) => {
    const slots = spans.map((prefix) => advance(sequenceStart, [...prefix, drawn], patch).length)
    using decoder = job.run(() => new Decoder(network, slots))
    const given = conditional.flat().filter((part) => part.type === 'image')
    infer(job, () => {
      const call = decoder.prepare(spans)
      const pixels = given.length > 0 ? fromArray(pixelsOf(given), [-1, channels]) : undefined
      decoder.run(call, pixels && { pixels, t: zeros([given.length]) })
      decoder.commit(call)
    })
    const drawing = denoiseImages(
      network,
      decoder,
      prompts.map(() => drawn),
      {
        ...denoiseSettings(options, objective),
        seeds,
        job,
      },
    )
    let step = await drawing.next()
    while (!step.done) step = await drawing.next()
    using pixels = step.value
    const values = await job.run(() => pixels.readFloats())
    const size = height * width * channels
    return prompts.map((_, i) =>
      imageFromFloats(values.subarray(i * size, (i + 1) * size), {
        ...config.image,
        channels: channels as Image['channels'],
      }),
    )
  })
}

/** Writes the most likely text after each prompt, all together, up to `maxTokens` tokens each. */
export async function completeTexts(
  { network, tokenizer }: ModelParts,
  prompts: readonly Prompt[],
  maxTokens: number,
  signal?: AbortSignal,
): Promise<string[]> {
  const { config } = network
  const tokens = specialTokens(config)
  const { patch, channels } = config.image
  const spans = prompts.map((prompt) =>
    documentSpans({ parts: promptParts(prompt, tokenizer, config), end: false }, tokens),
  )
  const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0 }
  const texts = prompts.map((): number[] => [])

  return cancellable(signal, async (job) => {
    const slots = spans.map((parts) => advance(sequenceStart, parts, patch).length + maxTokens)
    using decoder = job.run(() => new Decoder(network, slots))
    let following: readonly Part<PixelPart>[][] = spans
    for (let position = 0; position < maxTokens && following.some((parts) => parts.length > 0); position++) {
      const active = following.flatMap((parts, b) => (parts.length > 0 ? [b] : []))
      const given = following.flat().filter((part) => part.type === 'image')
      const ids = infer(job, () => {
        const call = decoder.prepare(following)
        const pixels = given.length > 0 ? fromArray(pixelsOf(given), [-1, channels]) : undefined
        const hidden = decoder.run(call, pixels && { pixels, t: zeros([given.length]) })
        decoder.commit(call)
        const logits = network.logits(hidden, fromArray(call.lastRows.filter((row) => row >= 0)))
        const bias = fromArray(ruleOut(config.vocabulary, [tokens.eoi, tokens.bos, tokens.boi]))
        return nextTokens(
          logits,
          bias,
          greedy,
          active.map(() => 0),
          position,
        )
      })
      const read = job.run(() => ids.readInts())
      ids.free()
      const drawn = await read
      const next: Part<PixelPart>[][] = prompts.map(() => [])
      active.forEach((b, i) => {
        const id = drawn[i]!
        if (id === tokens.end) return
        texts[b]!.push(id)
        next[b] = [{ type: 'text', ids: [id] }]
      })
      following = next
    }
    return texts.map((ids) => tokenizer.decode(ids, { skipSpecial: true }))
  })
}

/** Runs work whose queued ops are dropped when the signal aborts; then throws the signal's reason. */
async function cancellable<R>(signal: AbortSignal | undefined, body: (job: Job) => Promise<R>): Promise<R> {
  signal?.throwIfAborted()
  using job = new AbortableJob(signal)
  try {
    return await body(job)
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}
