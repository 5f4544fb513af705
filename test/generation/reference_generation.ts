import type { Image } from '../../lib/image/image.js'
import { imageFromFloats } from '../../lib/image/pixels.js'
import { denoiseCoefficients } from '../../lib/diffusion/sampler.js'
import { createSampler } from '../../lib/diffusion/samplers.js'
import { type GenerationOptions, generationOptionsSchema } from '../../lib/generation/options.js'
import { type Prompt, preparePrompt } from '../../lib/generation/prompt.js'
import { uploadAttentionMetadata } from '../../lib/nn/attention_metadata.js'
import type { ModelParts } from '../../lib/models/transfusion/io/folder.js'
import { packingOf } from '../../lib/sequence/packing_options.js'
import { normal } from '../../lib/ops/noise.js'
import { rowSeeds } from '../../lib/random.js'
import type { ImagePart, Part } from '../../lib/sequence/document.js'
import { buildMetadata, sequenceStart } from '../../lib/sequence/metadata.js'
import { fromArray } from '../../lib/tensor/tensor.js'

/** An image in a sequence, at its t. */
interface NoisyPart extends ImagePart {
  pixels: Float32Array
  t: number
}

export interface ReferenceResult {
  ids: number[]
  images: Image[]
}

/**
 * What a generation gives, greedily, by the paper's loop alone: no cache, one sequence at a time computed anew for each
 * token and each denoising step, and the sampler's formula in plain numbers.
 */
export async function referenceGeneration(
  { network, tokenizer, objective }: ModelParts,
  prompt: Prompt,
  options: GenerationOptions,
): Promise<ReferenceResult> {
  const settings = generationOptionsSchema.parse(options)
  const { image, vocabulary } = network.config
  const packing = packingOf(network.config)
  const { tokens } = packing
  const { sampler: chosen } = settings
  const sampler = typeof chosen === 'object' ? chosen : createSampler(chosen, objective)
  const { schedule } = sampler
  const steps = sampler.steps(settings.steps)
  const text = (...ids: number[]): Part<NoisyPart> => ({ type: 'text', ids })
  const prepared = await preparePrompt(prompt, { network, tokenizer })
  const sequence: Part<NoisyPart>[] = prepared.prompt.map((part) =>
    part.type === 'text' ? part : { ...part, pixels: part.values, t: 0 },
  )
  const result: ReferenceResult = { ids: [], images: [] }

  const call = (spans: readonly Part<NoisyPart>[]) => {
    const laidOut = buildMetadata([{ spans, start: sequenceStart, keyStart: 0 }], packing)
    const rows = Int32Array.of(0, laidOut.ids.length)
    const layout = uploadAttentionMetadata({ ...laidOut, queryRows: rows, keyRows: rows }, image)
    const images = spans.filter((span) => span.type === 'image')
    const pixels = Float32Array.from(images.flatMap((part) => [...part.pixels]))
    const t = Float32Array.from(images, (part) => part.t)
    const read = { values: fromArray(pixels, [-1, image.channels]), t: fromArray(t) }
    return { layout, output: network.forward(layout, images.length > 0 ? read : undefined) }
  }
  const nextToken = async (): Promise<number> => {
    const { hidden } = call(sequence).output
    const logits = await network.logits(hidden, fromArray(Int32Array.of(hidden.size(0) - 1))).readFloats()
    const out = [tokens.bos, tokens.eoi, result.images.length < settings.maxImages ? undefined : tokens.boi]
    const allowed = Array.from({ length: vocabulary }, (_, id) => id).filter((id) => !out.includes(id))
    return allowed.reduce((best, id) => (logits[id]! > logits[best]! ? id : best))
  }
  const generateImage = async (): Promise<void> => {
    const boi = text(tokens.boi)
    const size = { type: 'image', height: image.height, width: image.width } as const
    const values = size.height * size.width * image.channels
    const seed = settings.seed * 1024 + result.images.length
    const noise = (step: number) =>
      normal(
        fromArray(Int32Array.of(0, size.height * size.width)),
        fromArray(rowSeeds([seed], 'noise', step), [1, 4]),
        image.channels,
        size.height * size.width,
      ).readFloats()
    const predicted = async (prefix: readonly Part<NoisyPart>[], pixels: Float32Array, t: number) => {
      const { layout, output } = call([...prefix, { ...size, pixels, t }])
      return (await network.imagePrediction(output, layout).readFloats()).slice(-values)
    }
    let x = await noise(0)
    let previous = new Float32Array(values)
    for (const [number, step] of steps.entries()) {
      const [least, most] = settings.guidanceInterval
      const counts = step.t >= least * schedule.steps && step.t <= most * schedule.steps
      const guidance = counts ? settings.guidance : 1
      const conditional = await predicted([...sequence, boi], x, step.t)
      const unconditional = await predicted([text(tokens.bos!), boi], x, step.t)
      const [, fromX, fromP] = denoiseCoefficients(schedule, objective.prediction, [{ step, guidance }])
      const eps = await noise(number + 1)
      const x0 = x.map((value, i) => {
        const p = unconditional[i]! + guidance * (conditional[i]! - unconditional[i]!)
        const clean = fromX! * value + fromP! * p
        return settings.clip ? Math.min(1, Math.max(-1, clean)) : clean
      })
      x = x.map(
        (value, i) =>
          step.xCoeff * value +
          step.x0Coeff * x0[i]! +
          step.previousX0Coeff * previous[i]! +
          step.noiseCoeff * eps[i]!,
      )
      previous = x0
    }
    result.images.push(imageFromFloats(x, { ...size, channels: image.channels as Image['channels'] }))
    sequence.push(boi, { ...size, pixels: x, t: 0 }, text(tokens.eoi))
  }

  if (settings.startWith === 'image') await generateImage()
  while (result.ids.length < settings.maxTokens || result.images.length < settings.maxImages) {
    const id = await nextToken()
    if (id === tokens.end) break
    if (id === tokens.boi) await generateImage()
    else if (result.ids.length >= settings.maxTokens) break
    else {
      result.ids.push(id)
      sequence.push(text(id))
    }
  }
  return result
}
