import { parseConfig } from '../config/parse.js'
import type { Image } from '../image/image.js'
import { mostTokens } from '../tokenizer/tokenizer.js'
import type { GenerativeModel } from './model.js'
import { randomWords } from '../random.js'
import { completeTexts, imageRequests, type ImageGenerationHooks, generateOnce } from './batch.js'
import { type ImageGenerationOptions, imageGenerationSchema } from './options.js'
import { checkPrompts, type Prompt } from './prompt.js'

/**
 * Draws one image after each prompt, as many together as is good for speed; image i depends on prompt i and seeds[i]
 * alone (to rounding). With `attempts` above 1 the model reads what it drew: where it describes an image otherwise than the
 * prompt, it draws another from a seed that follows from the first; where none of them agrees, the first is kept. (Our
 * choice: DALL-E chose among drawings by another model, CLIP; this one reads images itself.) Throws a ConfigError that names
 * what is wrong in the options, and a RangeError for a prompt of more than one text where there are several attempts. By default
 * prompt i has seed i.
 */
export async function generateImages(
  model: GenerativeModel,
  prompts: readonly Prompt[],
  ownSeeds?: readonly number[],
  options: ImageGenerationOptions = {},
  watch: ImageGenerationHooks = {},
): Promise<Image[]> {
  checkPrompts(prompts)
  const seeds = ownSeeds ?? prompts.map((_, i) => i)
  if (seeds.length !== prompts.length)
    throw new RangeError(`generateImages: ${seeds.length} seeds for ${prompts.length} prompts`)
  const { attempts, ...imageOptions } = parseConfig(imageGenerationSchema, options, 'image options')
  const captions = attempts > 1 ? prompts.map(captionOf) : []
  const images = await generateOnce(model, prompts, seeds, imageOptions, watch)
  if (attempts === 1) return images
  let latest = images
  let open = [...captions.keys()]
  for (let attempt = 1; ; attempt++) {
    const asked = open.map((i) => captions[i]!)
    const agree = await agreeing(model, latest, asked, watch.signal)
    for (const [n, i] of open.entries()) if (agree[n]) images[i] = latest[n]!
    open = open.filter((_, n) => !agree[n])
    if (attempt === attempts || open.length === 0) return images
    const again = open.map((i) => seedOfAttempt(seeds[i]!, attempt))
    latest = await generateOnce(
      model,
      open.map((i) => prompts[i]!),
      again,
      imageOptions,
      watch,
    )
  }
}

/** Rejects as {@link generateImages} for what it would refuse, before anything is drawn. */
export async function checkImageGeneration(
  model: GenerativeModel,
  prompts: readonly Prompt[],
  options: ImageGenerationOptions,
): Promise<void> {
  const { attempts, ...imageOptions } = parseConfig(imageGenerationSchema, options, 'image options')
  if (attempts > 1) prompts.forEach(captionOf)
  await imageRequests(model, prompts, [], imageOptions)
}

function captionOf(prompt: Prompt): string {
  if (typeof prompt === 'string') return prompt.trim()
  throw new RangeError('attempts: expected prompts of one text each, which the model can write itself')
}

/** Whether the model's most likely description of each image is the caption. */
async function agreeing(
  model: GenerativeModel,
  images: readonly Image[],
  captions: readonly string[],
  signal: AbortSignal | undefined,
): Promise<boolean[]> {
  const tokens = 1 + (await mostTokens(model.tokenizer, captions))
  const prompts = images.map((image) => [image])
  const written = await completeTexts(model, prompts, tokens, signal)
  return written.map((text, i) => text.trim() === captions[i])
}

/** Of the attempts after the first. */
function seedOfAttempt(seed: number, attempt: number): number {
  const [high, low] = randomWords(seed, 'attempt', attempt, 0)
  return (high! >>> 11) * 2 ** 32 + low!
}
