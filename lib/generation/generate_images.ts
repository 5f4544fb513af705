import { checkArguments } from '../arguments.js'
import { parseConfig } from '../config/parse.js'
import type { Image } from '../image/image.js'
import { describe } from '../describe.js'
import { randomWords } from '../random.js'
import { mostTokens } from '../tokenizer/tokenizer.js'
import { completeTexts, generateOnce, type ImageGenerationHooks, imageRequests } from './batch.js'
import type { GenerativeModel } from './model.js'
import { type ImageGenerationOptions, imageGenerationSchema } from './options.js'
import { checkPrompts, type Prompt } from './prompt.js'

/**
 * Generates one image after each prompt, as many at a time as is good for speed; image i depends on prompt i and seeds[i]
 * alone (to rounding); by default prompt i has seed i. With `attempts` above 1 the model describes each image: where its
 * description is not the prompt, another image is generated from a seed that follows from the first; where no attempt
 * agrees, the first is kept. (Our choice: DALL-E ranked images by another model, CLIP; this one reads images itself.)
 *
 * Rejects with a ConfigError that names what is wrong in the options, a TypeError for seeds that are no array, a RangeError
 * for another number of seeds than prompts, and for a prompt of more than one text where there are several attempts, and as
 * `generate` for a prompt.
 */
export async function generateImages(
  model: GenerativeModel,
  prompts: readonly Prompt[],
  givenSeeds?: readonly number[],
  options: ImageGenerationOptions = {},
  hooks: ImageGenerationHooks = {},
): Promise<Image[]> {
  checkPrompts(prompts)
  const seeds = givenSeeds ?? prompts.map((_, i) => i)
  checkArguments('generateImages', { seeds: [seeds, 'numbers'] })
  if (seeds.length !== prompts.length)
    throw new RangeError(
      `generateImages: seeds must be ${prompts.length}, one for each prompt, received ${seeds.length}`,
    )
  const { attempts, ...sampling } = parseConfig(imageGenerationSchema, options, 'image options')
  const captions = attempts > 1 ? prompts.map(captionOf) : []
  const images = await generateOnce(model, prompts, seeds, sampling, hooks)
  if (attempts === 1) return images
  let latest = images
  let rejected = [...captions.keys()]
  for (let attempt = 1; ; attempt++) {
    const expected = rejected.map((i) => captions[i]!)
    const agrees = await describedAs(expected, model, latest, hooks.signal)
    for (const [n, i] of rejected.entries()) if (agrees[n]) images[i] = latest[n]!
    rejected = rejected.filter((_, n) => !agrees[n])
    if (attempt === attempts || rejected.length === 0) return images
    latest = await generateOnce(
      model,
      rejected.map((i) => prompts[i]!),
      rejected.map((i) => seedOfAttempt(seeds[i]!, attempt)),
      sampling,
      hooks,
    )
  }
}

/** Rejects as {@link generateImages} would for these prompts and options, before anything is generated. */
export async function checkImageGeneration(
  model: GenerativeModel,
  prompts: readonly Prompt[],
  options: ImageGenerationOptions,
): Promise<void> {
  const { attempts, ...sampling } = parseConfig(imageGenerationSchema, options, 'image options')
  if (attempts > 1) prompts.forEach(captionOf)
  await imageRequests(model, prompts, [], sampling)
}

function captionOf(prompt: Prompt): string {
  if (typeof prompt === 'string') return prompt.trim()
  throw new RangeError(
    'generateImages: with several attempts, prompts must be one text each, which the model can write, ' +
      `received ${describe(prompt)}`,
  )
}

/** Whether the model's most likely description of each image is the caption. */
async function describedAs(
  captions: readonly string[],
  model: GenerativeModel,
  images: readonly Image[],
  signal: AbortSignal | undefined,
): Promise<boolean[]> {
  const tokens = 1 + (await mostTokens(model.tokenizer, captions))
  const prompts = images.map((image) => [image])
  const descriptions = await completeTexts(model, prompts, tokens, signal)
  return descriptions.map((text, i) => text.trim() === captions[i])
}

/** The seed of an attempt after the first. */
function seedOfAttempt(seed: number, attempt: number): number {
  const [high, low] = randomWords(seed, 'attempt', attempt, 0)
  return (high! >>> 11) * 2 ** 32 + low!
}
