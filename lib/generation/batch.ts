import { parseConfig } from '../config/parse.js'
import type { Image } from '../image/image.js'
import { requireCodec } from '../sequence/image_model.js'
import { engineOf } from './engine/engine.js'
import type { GenerationEvent } from './events.js'
import type { GenerationRequest } from './engine/generation_request.js'
import { imageSamplingOf } from './image_sampling.js'
import type { GenerativeModel } from './model.js'
import { onAbort } from './on_abort.js'
import { generationOptionsSchema, type ImageSamplingSettings } from './options.js'
import { checkPrompts, preparePrompt, type Prompt } from './prompt.js'
import { BufferedText } from './text_output.js'

/** What a batch of images reports while it is generated. */
export interface ImageGenerationHooks {
  /** Ends it; it then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Called for each image that is finished, also for those of later attempts. */
  onImage?: (() => void) | undefined
}

/** Generates one image after each prompt, with image i from seeds[i]: one attempt of `generateImages`. */
export async function generateOnce(
  model: GenerativeModel,
  prompts: readonly Prompt[],
  seeds: readonly number[],
  options: ImageSamplingSettings,
  { signal, onImage }: ImageGenerationHooks,
): Promise<Image[]> {
  const images: Image[] = []
  await runRequests(
    model,
    await imageRequests(model, prompts, seeds, options),
    (event, i) => {
      if (event.type !== 'image') return
      images[i] = event.image
      onImage?.()
    },
    signal,
  )
  return images
}

/** The requests for one image after each prompt. Rejects with an Error that names what cannot be generated. */
export async function imageRequests(
  model: GenerativeModel,
  prompts: readonly Prompt[],
  seeds: readonly number[],
  options: ImageSamplingSettings,
): Promise<GenerationRequest[]> {
  const codec = requireCodec(model, 'generateImages')
  const imageSampling = imageSamplingOf(options, model.objective, codec.range)
  const settings = generationOptionsSchema.parse({ startWith: 'image', maxTokens: 0, maxImages: 1 })
  const client = {}
  const prepared = await preparePrompts(model, prompts)
  return prepared.map((prompt, i) => ({
    ...prompt,
    tokenizer: model.tokenizer,
    settings,
    codec,
    imageSampling,
    imageSeed: () => seeds[i]!,
    text: new BufferedText(model.tokenizer),
    client,
  }))
}

/**
 * Writes the most likely text after each prompt, up to `maxTokens` tokens each, as many prompts at a time as is good for
 * speed. Rejects with a TypeError or a RangeError that names what is wrong with a prompt, a ConfigError for `maxTokens`, and
 * the signal's reason when that aborts.
 */
export async function completeTexts(
  model: GenerativeModel,
  prompts: readonly Prompt[],
  maxTokens: number,
  signal?: AbortSignal,
): Promise<string[]> {
  const settings = parseConfig(generationOptionsSchema, { maxTokens, maxImages: 0 }, 'completeTexts')
  checkPrompts(prompts)
  const imageSampling = imageSamplingOf(settings, model.objective)
  const texts = prompts.map(() => '')
  const client = {}
  const prepared = await preparePrompts(model, prompts)
  await runRequests(
    model,
    prepared.map((prompt) => ({
      ...prompt,
      tokenizer: model.tokenizer,
      settings,
      codec: undefined,
      imageSampling,
      imageSeed: () => 0,
      text: new BufferedText(model.tokenizer),
      client,
    })),
    (event, i) => {
      if (event.type === 'text') texts[i] += event.text
    },
    signal,
  )
  return texts
}

const preparePrompts = (model: GenerativeModel, prompts: readonly Prompt[]) =>
  Promise.all(prompts.map((prompt) => preparePrompt(prompt, model)))

/** Runs all requests to their ends. Where one fails, or the signal aborts, it cancels the others and then rejects. */
function runRequests(
  { network }: GenerativeModel,
  requests: readonly GenerationRequest[],
  onEvent: (event: GenerationEvent, index: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const engine = engineOf(network)
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    let unfinished = requests.length
    let failure: { error: unknown } | undefined
    const cancelAll = (error: unknown) => {
      failure ??= { error }
      for (const generation of generations) engine.cancel(generation, error)
    }
    const settle = () => {
      stopListening()
      if (failure) reject(failure.error)
      else resolve()
    }
    const generations = requests.map((request, i) =>
      engine.submit(request, {
        isFull: false,
        onEvent: (event) => onEvent(event, i),
        onEnd(failed) {
          if (failed && !failure) cancelAll(failed.error)
          if (--unfinished === 0) settle()
        },
      }),
    )
    const stopListening = onAbort(signal, () => cancelAll(signal!.reason))
    if (unfinished === 0) settle()
  })
}
