import type { Image } from '../data/document.js'
import { imageFromFloats } from '../data/pixels.js'
import { TextStream } from '../data/text_stream.js'
import { parseConfig } from '../config.js'
import type { ModelParts } from '../models/transfusion/folder.js'
import { type PixelPart, pixelsOf, specialTokens } from '../models/transfusion/pixel_parts.js'
import { documentSpans, type ImagePart, type Part, unconditionalPrefix } from '../sequence/document.js'
import { advance, sequenceStart } from '../sequence/layout.js'
import { fromArray, type Tensor, zeros } from '../tensor/tensor.js'
import { Decoder } from './decoder.js'
import { denoiseImages, denoiseSettings } from './denoise.js'
import type { GenerationEvent } from './events.js'
import { AbortableJob, infer } from './infer.js'
import { nextTokens, ruleOut } from './next_token.js'
import { type GenerationOptions, generationOptionsSchema } from './options.js'
import { type Prompt, promptParts } from './prompt.js'

/**
 * Goes on from a prompt: in LM mode a token at a time until BOI; then in diffusion mode, which draws an image from
 * noise; then EOI and LM mode again, until the end of the document or a maximum (paper, section 3). Each position is
 * computed once and kept in a cache; of an image, the clean patches are (t = 0), computed once it is drawn.
 */
export async function* generate(
  { network, tokenizer, objective }: ModelParts,
  prompt: Prompt,
  allOptions: GenerationOptions = {},
): AsyncGenerator<GenerationEvent, void, undefined> {
  const { signal, ...rest } = allOptions
  const options = parseConfig(generationOptionsSchema, rest, 'generation options')
  const { config } = network
  const { previewEvery } = options
  const { image } = config
  const tokens = specialTokens(config)
  const parts = documentSpans({ parts: promptParts(prompt, tokenizer, config), end: false }, tokens)
  const drawn: ImagePart = { type: 'image', height: image.height, width: image.width }
  const imagePositions = advance(sequenceStart, [drawn], image.patch).length
  const unconditional = unconditionalPrefix(tokens)
  const guided = options.guidance !== 1

  signal?.throwIfAborted()
  using job = new AbortableJob(signal)
  const promptLength = advance(sequenceStart, parts, image.patch).length
  using decoder = job.run(
    () =>
      new Decoder(network, [
        promptLength + options.maxTokens + options.maxImages * (imagePositions + 2),
        ...(guided ? [unconditional.ids.length + imagePositions] : []),
      ]),
  )
  const text = new TextStream(tokenizer)
  const flush = (): GenerationEvent[] => {
    const rest = text.flush()
    return rest ? [{ type: 'text', text: rest }] : []
  }
  let position = 0
  let images = 0

  /** Extends the conditional sequence and draws the token that follows it. */
  const next = async (spans: readonly Part<PixelPart>[], pixels?: Tensor): Promise<number> => {
    // Of what may not follow, EOI is the loop's to append and BOS no continuation.
    const out = [tokens.eoi, tokens.bos, images >= options.maxImages ? tokens.boi : undefined]
    const ids = infer(job, () => {
      const call = decoder.prepare(guided ? [spans, []] : [spans])
      const hidden = decoder.run(call, pixels && { pixels, t: zeros([call.layout.images]) })
      decoder.commit(call)
      const logits = network.logits(hidden, fromArray(call.lastRows.subarray(0, 1)))
      const bias = fromArray(ruleOut(config.vocabulary, out))
      return nextTokens(logits, bias, options, [options.seed], position++)
    })
    const read = job.run(() => ids.readInts())
    ids.free()
    return (await read)[0]!
  }

  /** Puts BOI after the conditional sequence, and makes the unconditional one ready. */
  const beginImage = () =>
    infer(job, () => {
      if (guided) decoder.restart(1)
      const boi: Part = { type: 'text', ids: [tokens.boi] }
      const call = decoder.prepare(guided ? [[boi], [unconditional]] : [[boi]])
      decoder.run(call)
      decoder.commit(call)
    })
  const toImage = async (pixels: Tensor): Promise<Image> => {
    const values = await job.run(() => pixels.readFloats())
    return imageFromFloats(values, { ...image, channels: image.channels as Image['channels'] })
  }

  /** Diffusion mode: yields previews and returns the drawn pixels. */
  async function* draw(): AsyncGenerator<GenerationEvent, Tensor, undefined> {
    beginImage()
    const drawing = denoiseImages(network, decoder, [drawn], {
      ...denoiseSettings(options, objective),
      seeds: [imageSeed(options.seed, images)],
      job,
    })
    try {
      for (;;) {
        const { done, value } = await drawing.next()
        if (done) return value
        if (previewEvery > 0 && value.step % previewEvery === 0)
          yield {
            type: 'preview',
            index: images,
            image: await toImage(value.x0),
            step: value.step,
            steps: value.steps,
          }
      }
    } finally {
      // What it holds is freed even where the consumer leaves between two steps.
      await drawing.return(undefined as never)
    }
  }

  try {
    const given = parts.filter((part) => part.type === 'image')
    using prompted = job.run(() => fromArray(pixelsOf(given), [-1, image.channels]))
    let token = await next(parts, given.length > 0 ? prompted : undefined)
    for (let count = 0; token !== tokens.end;) {
      if (token === tokens.boi) {
        yield* flush()
        using pixels = yield* draw()
        yield { type: 'image', index: images, image: await toImage(pixels) }
        images++
        token = await next([drawn as PixelPart, { type: 'text', ids: [tokens.eoi] }], pixels)
      } else {
        if (count++ >= options.maxTokens) break
        const piece = text.push(token)
        if (piece) yield { type: 'text', text: piece }
        token = await next([{ type: 'text', ids: [token] }])
      }
    }
    yield* flush()
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    job.cancel()
  }
}

/** The seed of a generation's n-th image. */
const imageSeed = (seed: number, image: number) => seed * 1024 + image
