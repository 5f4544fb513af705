/** Models whose images are tokens (image.codes): sequences, loss and generation. */
import { describe, expect, it } from 'vitest'
import { objectiveSchema } from '../../../lib/diffusion/objective.js'
import { captionPerplexity } from '../../../lib/evaluation/text/perplexity.js'
import type { GenerationEvent } from '../../../lib/generation/events.js'
import { generate } from '../../../lib/generation/generate.js'
import { generateImages } from '../../../lib/generation/generate_images.js'
import type { GenerationOptions } from '../../../lib/generation/options.js'
import { preparePrompt, type Prompt } from '../../../lib/generation/prompt.js'
import type { ImageCodec } from '../../../lib/image/codec.js'
import type { EncodedImage } from '../../../lib/image/image.js'
import { transfusionConfigSchema } from '../../../lib/models/transfusion/config.js'
import { createModel } from '../../../lib/models/transfusion/io/create.js'
import { transfusionLoss } from '../../../lib/models/transfusion/training/loss.js'
import { trainingBatch } from '../../../lib/models/transfusion/training/training_batch.js'
import { prepareSequence } from '../../../lib/models/transfusion/training/prepare_sequence.js'
import { codeTokensOf } from '../../../lib/sequence/code_tokens.js'
import { scope } from '../../../lib/tensor/scope.js'
import { makeCaptionTokenizer } from '../../../lib/tokenizer/caption_tokenizer.js'
import { perturbedNetwork, tinyConfig, tokens } from '../transfusion/tiny_model.js'
import { trainedText } from '../transfusion/text_training.js'

/** Words a .. g are the ids 5 .. 11, codes 0 .. 7 the ids 12 .. 19. */
const tokenizer = makeCaptionTokenizer(['a b c d e f g'])
const codes = 8
const firstCode = tinyConfig.vocabulary
const vocabulary = firstCode + codes
const image = { channels: 1, patch: 1, height: 2, width: 3, codes }
const config = { ...tinyConfig, vocabulary, tokens: { ...tokens, codes: firstCode }, image } as const
const network = await perturbedNetwork(config)
const objective = objectiveSchema.parse({})
/** An image is as dark as its codes. */
const codec: ImageCodec = {
  config: { type: 'codes', checksums: {} },
  imageChannels: 1,
  channels: 1,
  downscale: 1,
  codes,
  encode: (images) => Float32Array.from(images.flatMap(({ data }) => [...data])),
  decode: (values, sizes) => {
    let first = 0
    return sizes.map(({ height, width }) => ({
      height,
      width,
      channels: 1,
      data: Uint8Array.from(values.subarray(first, (first += height * width))),
    }))
  },
}
const model = { network, tokenizer, objective, codec }
const picture = (...values: number[]) => ({
  height: 2,
  width: 3,
  channels: 1 as const,
  data: Uint8Array.from(values),
})
const seen = picture(3, 1, 4, 1, 5, 2)

async function eventsOf(prompt: Prompt, options: GenerationOptions = {}): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = []
  for await (const event of generate(model, prompt, options)) events.push(event)
  return events
}
const imagesOf = (events: readonly GenerationEvent[]) =>
  events.flatMap((event) => (event.type === 'image' ? [[...event.image.data]] : []))

/** Logits of what follows a sequence of ids, computed anew. */
async function logitsAfter(ids: readonly number[]): Promise<Float32Array> {
  const { logits } = await trainedText(network, Int32Array.from(ids), false)
  return logits.subarray(-vocabulary)
}

const largest = (logits: readonly number[]) => logits.indexOf(Math.max(...logits))

/** The most likely codes of an image, with guidance, by the formula alone: no cache, every code's sequence anew. */
async function likelyCodes(prompt: readonly number[], guidance: number): Promise<number[]> {
  const found: number[] = []
  while (found.length < image.height * image.width) {
    const made = found.map((code) => firstCode + code)
    const conditional = await logitsAfter([...prompt, tokens.boi, ...made])
    const unconditional = await logitsAfter([tokens.bos, tokens.boi, ...made])
    const guided = [...conditional].map(
      (logit, id) => unconditional[id]! + guidance * (logit - unconditional[id]!),
    )
    found.push(largest(guided.slice(firstCode)))
  }
  return found
}

describe('generating codes', () => {
  it.each([1, 4])('takes the most likely ones, guided by %d, as the formula has it', async (guidance) => {
    const options = { startWith: 'image', maxTokens: 0, imageTemperature: 0, guidance } as const
    const [codes] = imagesOf(await eventsOf('a b', options))
    expect(codes).toEqual(await likelyCodes([tokens.bos, 5, 6], guidance))
    // Other words give another image, so that it is the prompt which is continued.
    const [others] = imagesOf(await eventsOf('f', options))
    expect(others).toEqual(await likelyCodes([tokens.bos, 10], guidance))
    expect(others).not.toEqual(codes)
  })

  it('gives the same alone and beside others, whatever these do, and another for another seed', async () => {
    const prompts: [Prompt, GenerationOptions][] = [
      ['a', { startWith: 'image', maxTokens: 6, seed: 1 }],
      ['a', { startWith: 'image', maxTokens: 6, seed: 2, guidance: 1 }],
      ['b c', { maxTokens: 9, maxImages: 3, seed: 3, temperature: 2 }],
      [['d', seen], { startWith: 'image', maxTokens: 4, seed: 4, imageTopK: 3, imageTopP: 0.9 }],
      [[seen, 'e'], { maxImages: 2, maxTokens: 8, temperature: 1, seed: 5 }],
    ]
    const kept = (events: GenerationEvent[]) =>
      events.map((event) => (event.type === 'done' ? { ...event, timings: undefined } : event))
    const alone: unknown[] = []
    for (const [prompt, options] of prompts) alone.push(kept(await eventsOf(prompt, options)))
    const together = await Promise.all(
      prompts.map(async ([prompt, options]) => kept(await eventsOf(prompt, options))),
    )
    expect(together).toEqual(alone)
    // So many that no placeholders are used.
    const crowd = await Promise.all(
      Array.from({ length: 30 }, async () => kept(await eventsOf(...prompts[2]!))),
    )
    for (const one of crowd) expect(one).toEqual(alone[2])
    const [first] = imagesOf(await eventsOf('a', { startWith: 'image', maxTokens: 0, seed: 1 }))
    const [second] = imagesOf(await eventsOf('a', { startWith: 'image', maxTokens: 0, seed: 2 }))
    expect(second).not.toEqual(first)
  })

  it('goes on with text after an image, as after one of the prompt, and text has no codes', async () => {
    const options = { startWith: 'image', maxTokens: 5, imageTemperature: 0, guidance: 1 } as const
    const events = await eventsOf('a', options)
    const [codes] = imagesOf(events)
    const textOf = (events: readonly GenerationEvent[]) =>
      events.flatMap((event) => (event.type === 'text' ? [event.text.trim()] : [])).join(' ')
    const drawn = picture(...codes!)
    expect(textOf(events)).toBe(textOf(await eventsOf(['a', drawn], { maxTokens: 5, maxImages: 0 })))
    const done = events.at(-1)!
    expect(done).toMatchObject({
      usage: { imageTokens: 6, images: 1, denoisingSteps: 0, promptTokens: 1, promptImages: 0 },
    })
    const ids = [tokens.bos, 5, tokens.boi, ...codes!.map((code) => firstCode + code), tokens.eoi]
    const { prompt } = await preparePrompt(['a', drawn], model)
    expect(prompt.flatMap((part) => (part.type === 'text' ? [...part.ids] : []))).toEqual(ids)
    expect((await eventsOf([seen, 'a'], { maxTokens: 1, maxImages: 0 })).at(-1)).toMatchObject({
      usage: { promptImages: 1, promptTokens: 1 },
    })
  })

  it('shows previews, the codes that are missing like the last, and is what generateImages gives', async () => {
    const options = { startWith: 'image', maxTokens: 0, seed: 7, previewEvery: 2 } as const
    const events = await eventsOf('a', options)
    const [final] = imagesOf(events)
    const previews = events.flatMap((event) => (event.type === 'preview' ? [event] : []))
    expect(events[0]).toMatchObject({ type: 'image-start', steps: 6, width: 3, height: 2 })
    expect(previews.map(({ step }) => step)).toEqual([2, 4])
    expect([...previews[1]!.image.data]).toEqual([...final!.slice(0, 4), final![3], final![3]])
    const [same] = await generateImages(model, ['a'], [7 * 1024])
    expect([...same!.data]).toEqual(final)
  })

  it('gives the codes themselves where there is no codec, and frees what it held where it is left', async () => {
    const withoutCodec = { network, tokenizer, objective }
    const options = { startWith: 'image', maxTokens: 0, imageTemperature: 0, guidance: 1 } as const
    const found: EncodedImage[] = []
    for await (const event of generate(withoutCodec, 'a b', options))
      if (event.type === 'latent') found.push(event.latent)
    expect([...found[0]!.values]).toEqual(await likelyCodes([tokens.bos, 5, 6], 1))
    for await (const event of generate(model, 'a', options)) if (event.type === 'image-start') break
    expect(imagesOf(await eventsOf('a b', options))[0]).toEqual([...found[0]!.values])
  })
})

const options = { seed: 0, captionFirst: 1, captionFirstTextWeight: 1, conditionDropout: 0 }
const document = (caption: number[]) => ({
  name: 'document',
  parts: [
    { type: 'text' as const, ids: Int32Array.from(caption) },
    { type: 'image' as const, image: seen },
  ],
})

async function lossOf(conditionDropout: number) {
  const sequence = prepareSequence(document([5, 6]), model, { ...options, conditionDropout }, 0, 0)
  const batch = await trainingBatch(model, [sequence])
  const loss = scope(() => transfusionLoss(network, batch, { imageWeight: 5 }).total)
  const [value] = await loss.readFloats()
  loss.free()
  return { packed: batch.packed, value: value! }
}

describe('training on codes', () => {
  const ofImage = [3, 1, 4, 1, 5, 2].map((code) => firstCode + code)

  it('has one loss over text and codes, all of them targets but EOI', async () => {
    const { packed, value } = await lossOf(0)
    const ids = [tokens.bos, 5, 6, tokens.boi, ...ofImage, tokens.eoi, tokens.end]
    expect([...packed.ids]).toEqual(ids)
    expect(packed.images).toEqual([])
    const { logits } = await trainedText(network, Int32Array.from(ids), false)
    const losses = ids.slice(1).flatMap((label, t) => {
      if (label === tokens.eoi) return []
      const row = [...logits.subarray(t * vocabulary, (t + 1) * vocabulary)]
      return [Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0)) - row[label]!]
    })
    expect(packed.targets).toBe(losses.length)
    expect(value).toBeCloseTo(losses.reduce((a, b) => a + b) / losses.length, 4)
  })

  it('without the condition learns the codes behind BOS and BOI alone', async () => {
    const { packed } = await lossOf(1)
    expect([...packed.ids]).toEqual([tokens.bos, tokens.boi, ...ofImage, tokens.eoi])
    expect([...packed.labels]).toEqual([-1, ...ofImage, -1, -1])
  })

  it('counts the tokens of a caption alone in its perplexity', async () => {
    const ids = [tokens.bos, tokens.boi, ...ofImage, tokens.eoi, 7, 8]
    const { logits } = await trainedText(network, Int32Array.from(ids), false)
    const losses = [ids.length - 3, ids.length - 2].map((t) => {
      const row = [...logits.subarray(t * vocabulary, (t + 1) * vocabulary)]
      return Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0)) - row[ids[t + 1]!]!
    })
    const perplexity = await captionPerplexity(model, [{ image: seen, caption: 'c d' }])
    expect(perplexity).toBeCloseTo(Math.exp((losses[0]! + losses[1]!) / 2), 3)
  })
})

describe('a config of codes', () => {
  const parse = (changes: object, imageChanges: object = {}) =>
    transfusionConfigSchema.safeParse({ ...config, ...changes, image: { ...image, ...imageChanges } })
  const messagesOf = (result: ReturnType<typeof parse>) =>
    result.error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? []

  it('has ids one after the other, or any', () => {
    expect(codeTokensOf(config)!.ids).toEqual(Int32Array.from({ length: codes }, (_, i) => firstCode + i))
    const scattered = [13, 12, 19, 18, 17, 16, 15, 14]
    const parsed = parse({ tokens: { ...tokens, codes: scattered } })
    expect([...codeTokensOf(parsed.data!)!.ids]).toEqual(scattered)
    expect(codeTokensOf(tinyConfig as typeof config)).toBeUndefined()
  })

  it.each<[string, object, object]>([
    ['image.channels: expected 1: a position is a code', {}, { channels: 3 }],
    ['image.patch: expected 1: a position is a code', {}, { patch: 2 }],
    ['image.weights: expected "shared" beside image.codes, which are tokens', {}, { weights: 'all' }],
    ['tokens.codes: expected the ids of the codes', { tokens }, {}],
    ['tokens.codes: expected at most 12', { tokens: { ...tokens, codes: 13 } }, {}],
    ['tokens.codes: expected 8 different ids', { tokens: { ...tokens, codes: [12, 13] } }, {}],
    ['image.codes: expected their number', {}, { codes: undefined }],
  ])('says what does not fit: %s', (message, changes, imageChanges) => {
    expect(messagesOf(parse(changes, imageChanges)).some((found) => found.startsWith(message))).toBe(true)
  })

  it('has codes behind those of the tokenizer, and refuses a codec of another number', () => {
    const { vocabulary: _, tokens: __, ...sizes } = config
    const made = createModel('test', sizes, tokenizer, { codec })
    expect(made.network.config).toMatchObject({ vocabulary, tokens: { codes: firstCode } })
    made.network[Symbol.dispose]()
    expect(() => createModel('test', sizes, tokenizer, { codec: { ...codec, codes: 9 } })).toThrow(
      'image.codes: expected 9, as the codec has; received 8',
    )
    expect(() => codeTokensOf(config)!.idsOf(Float32Array.of(1, 8))).toThrow('codes, 0 .. 7, received 8')
  })
})
