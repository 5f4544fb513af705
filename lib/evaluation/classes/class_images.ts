import { checkArguments, checkOptions } from '../../arguments.js'
import type { Image } from '../../image/image.js'
import { generateImages } from '../../generation/generate_images.js'
import type { ImageGenerationOptions } from '../../generation/options.js'
import type { GenerativeModel } from '../../generation/model.js'
import { generationProgress } from '../generation_progress.js'

/** Generated images with the class that each was to show. */
export interface GeneratedClassImages {
  /** In the order of the classes. */
  images: readonly Image[]
  /** `[N]`: the class of each image's caption. */
  targets: Int32Array
}

/** How many images of each class are generated, and how. */
export interface ClassImageOptions {
  /** Images of each class. */
  perClass: number
  /** Image i is generated from the seed 1,000,000 seed + i. */
  seed: number
  /** Sampler, steps, guidance: as of a generation. */
  images?: ImageGenerationOptions
  /** Stops the generation, which then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Receives a line on the progress every 20 seconds. */
  onMessage?: (line: string) => void
}

/** Generates `perClass` images from each caption. Rejects with the signal's reason when it aborts. */
export async function generateClassImages(
  model: GenerativeModel,
  captions: readonly string[],
  options: ClassImageOptions,
): Promise<GeneratedClassImages> {
  checkArguments('generateClassImages', {
    model: [model, 'model'],
    captions: [captions, 'strings'],
    options: [options, 'object'],
  })
  checkOptions('generateClassImages', options, {
    perClass: true,
    seed: true,
    images: true,
    signal: true,
    onMessage: true,
  })
  const { perClass, seed, images, signal, onMessage = () => {} } = options
  const targets = Int32Array.from({ length: captions.length * perClass }, (_, i) => Math.floor(i / perClass))
  const prompts = Array.from(targets, (label) => captions[label]!)
  const seeds = prompts.map((_, i) => seed * 1_000_000 + i)
  const onImage = generationProgress(prompts.length, onMessage)
  return { images: await generateImages(model, prompts, seeds, images, { signal, onImage }), targets }
}
