import { parseConfig } from '../config/parse.js'
import type { Image } from '../image/image.js'
import type { GenerativeModel } from './model.js'
import { imageSamplingOf } from './image_sampling.js'
import { engineOf } from './engine.js'
import type { GenerationEvent } from './events.js'
import type { GenerationRequest } from './generation.js'
import { onAbort } from './on_abort.js'
import { generationOptionsSchema, type ImageSamplingSettings } from './options.js'
import { checkPrompts, type Prompt, promptSpans } from './prompt.js'
import { WholeText } from './text_output.js'

/** Who follows a batch that is drawn. */
export interface ImageGenerationHooks {
  /** Ends it; it then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Called for each image that is finished, those drawn again included. */
  onImage?: (() => void) | undefined
}

/** Draws one image after each prompt, see `generateImages`. */
export async function generateOnce(
  model: GenerativeModel,
  prompts: readonly Prompt[],
  seeds: readonly number[],
  imageOptions: ImageSamplingSettings,
  { signal, onImage }: ImageGenerationHooks,
): Promise<Image[]> {
  const images: Image[] = []
  await generateAll(
    model,
    await imageRequests(model, prompts, seeds, imageOptions),
    (event, i) => {
      if (event.type !== 'image') return
      images[i] = event.image
      onImage?.()
    },
    signal,
  )
  return images
}

/** What the engine is asked for, for one image after each prompt. Throws an Error that names what cannot be drawn. */
export async function imageRequests(
  model: GenerativeModel,
  prompts: readonly Prompt[],
  seeds: readonly number[],
  imageOptions: ImageSamplingSettings,
): Promise<GenerationRequest[]> {
  const drawing = imageSamplingOf(imageOptions, model.objective)
  const settings = generationOptionsSchema.parse({ startWith: 'image', maxTokens: 0, maxImages: 1 })
  const caller = {}
  const spans = await allSpans(model, prompts)
  return spans.map((prompt, i) => ({
    prompt,
    tokenizer: model.tokenizer,
    settings,
    drawing,
    imageSeed: () => seeds[i]!,
    text: new WholeText(model.tokenizer),
    caller,
  }))
}

/** Writes the most likely text after each prompt, up to `maxTokens` tokens each, as many together as is good for speed. */
export async function completeTexts(
  model: GenerativeModel,
  prompts: readonly Prompt[],
  maxTokens: number,
  signal?: AbortSignal,
): Promise<string[]> {
  const settings = parseConfig(generationOptionsSchema, { maxTokens, maxImages: 0 }, 'completeTexts')
  checkPrompts(prompts)
  const drawing = imageSamplingOf(settings, model.objective)
  const texts = prompts.map(() => '')
  const caller = {}
  const spans = await allSpans(model, prompts)
  await generateAll(
    model,
    spans.map((prompt) => ({
      prompt,
      tokenizer: model.tokenizer,
      settings,
      drawing,
      imageSeed: () => 0,
      text: new WholeText(model.tokenizer),
      caller,
    })),
    (event, i) => {
      if (event.type === 'text') texts[i] += event.text
    },
    signal,
  )
  return texts
}

const allSpans = ({ tokenizer, network }: GenerativeModel, prompts: readonly Prompt[]) =>
  Promise.all(prompts.map((prompt) => promptSpans(prompt, tokenizer, network.config)))

/** Runs all to their ends; gives them up together when one fails, or the signal aborts, and then rejects. */
function generateAll(
  { network }: GenerativeModel,
  requests: readonly GenerationRequest[],
  event: (event: GenerationEvent, index: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const engine = engineOf(network)
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    let left = requests.length
    let failure: { error: unknown } | undefined
    const giveUp = (error: unknown) => {
      failure ??= { error }
      for (const generation of generations) engine.cancel(generation, error)
    }
    const end = () => {
      stopListening()
      if (failure) reject(failure.error)
      else resolve()
    }
    const generations = requests.map((request, i) =>
      engine.submit(request, {
        full: false,
        event: (given) => event(given, i),
        end(failed) {
          if (failed && !failure) giveUp(failed.error)
          if (--left === 0) end()
        },
      }),
    )
    const stopListening = onAbort(signal, () => giveUp(signal!.reason))
    if (left === 0) end()
  })
}
