import { expect, it } from 'vitest'
import type { ImageCodec } from '../../lib/image/codec.js'
import type { EncodedImage, Image } from '../../lib/image/image.js'
import { generateImages } from '../../lib/generation/generate_images.js'
import { generate } from '../../lib/generation/generate.js'
import type { GenerationEvent } from '../../lib/generation/events.js'
import type { GenerativeModel } from '../../lib/generation/model.js'
import type { GenerationOptions } from '../../lib/generation/options.js'
import type { Prompt } from '../../lib/generation/prompt.js'
import { perturbedNetwork, testImage, tinyConfig } from '../models/transfusion/tiny_model.js'
import { scriptedModel, tokenizer } from './scripted_model.js'

const model = await scriptedModel()

/** Colour images of twice the size, as an autoencoder would: asynchronous, and not of the range of pixels. */
class HalvingCodec implements ImageCodec {
  readonly config = { type: 'pixels' } as const
  readonly imageChannels = 3
  readonly channels = 1
  readonly downscale = 2
  readonly range = [-0.25, 0.25] as const
  readonly encoded: Image[] = []
  readonly decoded: EncodedImage[] = []

  async encode(images: readonly Image[]): Promise<Float32Array> {
    await Promise.resolve()
    this.encoded.push(...images)
    const positions = images.reduce((sum, { width, height }) => sum + (width * height) / 4, 0)
    return new Float32Array(positions).fill(0.125)
  }

  async decode(values: Float32Array, sizes: readonly { width: number; height: number }[]): Promise<Image[]> {
    await Promise.resolve()
    let end = 0
    return sizes.map(({ width, height }) => {
      const first = end
      end += width * height
      const own = values.slice(first, end)
      this.decoded.push({ width, height, values: own })
      const size = { width: 2 * width, height: 2 * height, channels: 3 } as const
      return { ...size, data: new Uint8Array(4 * 3 * own.length).fill(this.decoded.length) }
    })
  }
}

const colourImage = (height: number, width: number): Image => ({
  height,
  width,
  channels: 3,
  data: new Uint8Array(height * width * 3),
})

async function eventsOf(
  given: GenerativeModel,
  prompt: Prompt,
  options: GenerationOptions,
): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = []
  for await (const event of generate(given, prompt, options)) events.push(event)
  return events
}

it('reads and writes images through the codec, whose sizes and range count', async () => {
  const codec = new HalvingCodec()
  const image = colourImage(8, 8)
  const options = { startWith: 'image', steps: 4, previewEvery: 1, maxTokens: 0 } as const
  const events = await eventsOf({ ...model, codec }, ['a', image], options)
  expect(codec.encoded).toEqual([image])
  expect(events[0]).toEqual({ type: 'image-start', index: 0, width: 12, height: 8, steps: 4 })
  const images = events.flatMap((event) => ('image' in event ? [event.image] : []))
  expect(images.map(({ data }) => data[0])).toEqual([1, 2, 3, 4])
  expect(images[0]).toMatchObject({ width: 12, height: 8, channels: 3 })
  expect(codec.decoded[0]).toMatchObject({ width: 6, height: 4 })
  // Previews are clipped estimates.
  const previews = codec.decoded.slice(0, 3).flatMap(({ values }) => [...values])
  expect(Math.max(...previews)).toBe(0.25)
  expect(Math.min(...previews)).toBe(-0.25)
})

it('decodes images that are finished together in one call, those of another codec in another', async () => {
  const codec = new HalvingCodec()
  const options = { steps: 3, guidance: 1 }
  const prompts = ['a', 'b', 'c']
  const pixels = await generateImages(model, prompts, [1, 2, 3], { ...options, clip: false })
  const [together, beside] = await Promise.all([
    generateImages({ ...model, codec }, prompts, [1, 2, 3], options),
    generateImages(model, prompts, [1, 2, 3], { ...options, clip: false }),
  ])
  expect(together.map(({ data }) => data[0])).toEqual([1, 2, 3])
  // The ranges are of their own, though one call of the network denoises all.
  expect(beside).toEqual(pixels)
  for (const { values } of codec.decoded) expect(values.length).toBe(24)
})

it('goes on while an image is decoded, and gives events in their order', async () => {
  const codec = new HalvingCodec()
  const decode = codec.decode.bind(codec)
  let decodeNow = () => {}
  const later = new Promise<void>((resolve) => (decodeNow = resolve))
  codec.decode = async (...image) => {
    await later
    return decode(...image)
  }
  // Of the same network: where it has ended, the rounds of the first went on without its image.
  const first = eventsOf({ ...model, codec }, 'a', { startWith: 'image', steps: 2, maxTokens: 3 })
  await eventsOf(model, 'a', { startWith: 'image', steps: 12, maxTokens: 3, clip: false })
  decodeNow()
  const events = await first
  const types = events.map(({ type }) => type)
  expect(types.slice(0, 2)).toEqual(['image-start', 'image'])
  expect(types.at(-1)).toBe('done')
  expect(codec.decoded).toHaveLength(1)
})

it('ends at once where it is left while its last image is decoded', async () => {
  const codec = new HalvingCodec()
  let begin = () => {}
  const begun = new Promise<void>((resolve) => (begin = resolve))
  codec.decode = () => {
    begin()
    return new Promise(() => {})
  }
  const stop = new AbortController()
  const options = { startWith: 'image', steps: 2, maxTokens: 0, signal: stop.signal } as const
  const events = eventsOf({ ...model, codec }, 'a', options)
  await begun
  // Its rounds have ended, too.
  await eventsOf(model, 'a', { startWith: 'image', steps: 4, maxTokens: 0 })
  stop.abort(new Error('enough'))
  await expect(events).rejects.toThrow('enough')
})

it('waits for its images where decoding is slower than its rounds', async () => {
  const codec = new HalvingCodec()
  const decode = codec.decode.bind(codec)
  let [decoding, most] = [0, 0]
  codec.decode = async (...image) => {
    most = Math.max(most, ++decoding)
    await new Promise((resolve) => setTimeout(resolve, 5))
    decoding--
    return decode(...image)
  }
  const options = { startWith: 'image', steps: 12, maxTokens: 0, previewEvery: 1 } as const
  const events = await eventsOf({ ...model, codec }, 'a', options)
  expect(events.map((event) => ('step' in event ? event.step : event.type))).toEqual([
    'image-start',
    ...Array.from({ length: 11 }, (_, i) => i + 1),
    'image',
    'done',
  ])
  expect(most).toBeLessThan(5)
})

it('previews by the codec that is cheap where it has one, unless told otherwise', async () => {
  const codec = new HalvingCodec()
  const cheap: EncodedImage[] = []
  const preview: ImageCodec['preview'] = (values, [size]) => {
    cheap.push({ ...size!, values })
    return [colourImage(8, 12)]
  }
  const withPreview = Object.assign(codec, { preview })
  const options = { startWith: 'image', steps: 4, previewEvery: 1, maxTokens: 0 } as const
  const events = await eventsOf({ ...model, codec: withPreview }, 'a', options)
  expect(events.map(({ type }) => type)).toEqual([
    'image-start',
    'preview',
    'preview',
    'preview',
    'image',
    'done',
  ])
  expect([cheap.length, codec.decoded.length]).toEqual([3, 1])
  await eventsOf({ ...model, codec: withPreview }, 'a', { ...options, previewDecoder: 'full' })
  expect([cheap.length, codec.decoded.length]).toEqual([3, 5])
})

it('clips to a range of the caller', async () => {
  const codec = new HalvingCodec()
  const options = {
    startWith: 'image',
    steps: 4,
    previewEvery: 1,
    maxTokens: 0,
    clip: [-0.5, 0.125],
  } as const
  await eventsOf({ ...model, codec }, 'a', options)
  const previews = codec.decoded.slice(0, 3).flatMap(({ values }) => [...values])
  expect([Math.min(...previews), Math.max(...previews)]).toEqual([-0.5, 0.125])
  await expect(eventsOf(model, 'a', { ...options, clip: [1, -1] })).rejects.toThrow(
    'the smaller number first',
  )
})

it('fails a generation whose codec cannot decode, and no other', async () => {
  const codec = new HalvingCodec()
  codec.decode = () => Promise.reject(new Error('decoder: broken'))
  const options = { startWith: 'image', steps: 3, maxTokens: 0 } as const
  const [failed, other] = await Promise.allSettled([
    eventsOf({ ...model, codec }, 'a', options),
    eventsOf(model, 'a', options),
  ])
  expect(failed).toMatchObject({ status: 'rejected', reason: { message: 'decoder: broken' } })
  expect(other.status).toBe('fulfilled')
})

it('names a codec that gives other than the images that it was called for', async () => {
  const codec = new HalvingCodec()
  const options = { startWith: 'image', steps: 3, maxTokens: 0 } as const
  codec.decode = () => Promise.resolve([])
  await expect(eventsOf({ ...model, codec }, 'a', options)).rejects.toThrow(
    'codec.decode: must return as many images as sizes, 1, received []',
  )
  codec.encode = () => Promise.resolve(new Float32Array(15))
  await expect(eventsOf({ ...model, codec }, [colourImage(8, 8)], options)).rejects.toThrow(
    'codec.encode: must return a Float32Array of 16 values, as the sizes of its images say, received a Float32Array of 15',
  )
})

it('takes the values of an image in a prompt as its codec would make them', async () => {
  const image = testImage(4, 4, 3)
  const values = Float32Array.from(image.data, (value) => value / 127.5 - 1)
  const options = { steps: 3, maxTokens: 4 }
  const texts = await Promise.all(
    [image, { width: 4, height: 4, values }].map((piece) => eventsOf(model, ['a', piece], options)),
  )
  const timeless = texts.map((events) => events.filter(({ type }) => type !== 'done'))
  expect(timeless[1]).toEqual(timeless[0])
})

it('gives values where a model of latents has no codec, refuses pixels, and writes text', async () => {
  using network = await perturbedNetwork({ ...tinyConfig, image: { ...tinyConfig.image, channels: 4 } })
  const latents = { network, tokenizer, objective: model.objective }
  for (const options of [{ previewEvery: 1 }, {}])
    await expect(
      eventsOf(latents, options.previewEvery ? 'a' : [testImage(4, 4, 1)], options),
    ).rejects.toThrow('the model reads 4 values per position (image.channels) and has no autoencoder')
  const [start, image] = await eventsOf(latents, 'a', { startWith: 'image', maxTokens: 0, steps: 2 })
  expect(start).toMatchObject({ type: 'image-start', height: 4, width: 6 })
  if (image?.type !== 'latent') throw new Error(`latent expected, received ${image?.type}`)
  expect(image.latent).toMatchObject({ height: 4, width: 6 })
  expect(image.latent.values).toHaveLength(4 * 6 * 4)
  // Nothing clips them: their range is unknown.
  expect(Math.max(...image.latent.values.map(Math.abs))).toBeGreaterThan(1)
  const events = await eventsOf(latents, 'a', { maxImages: 0, maxTokens: 3 })
  expect(events.at(-1)).toMatchObject({ type: 'done' })
})
