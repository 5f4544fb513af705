import { checkArguments } from '../arguments.js'
import { parseConfig } from '../config/parse.js'
import { codecOf, requireCodec } from '../sequence/image_model.js'
import { engineOf } from './engine/engine.js'
import type { GenerationEvent } from './events.js'
import type { GenerationRequest } from './engine/generation_request.js'
import { GenerationStream } from './generation_stream.js'
import { imageSamplingOf } from './image_sampling.js'
import type { GenerativeModel } from './model.js'
import { type GenerationOptions, generationOptionsSchema } from './options.js'
import { preparePrompt, type Prompt } from './prompt.js'
import { StreamedText } from './text_output.js'

/**
 * Continues a prompt: in LM mode a token at a time until BOI; then in diffusion mode, which denoises an image; then EOI and
 * LM mode again, until the end of the document, a stop or a maximum (paper, section 3). The keys and values of each position
 * are computed once and kept in a cache; of an image, those of the clean patches (t = 0), once it is finished.
 *
 * It begins with the first call of `next`, and runs together with whatever else the model generates; the result does not
 * depend on that (text exactly, in f32; images to rounding). It waits for a slow consumer, and ends when the consumer leaves
 * the loop. The iterator throws a ConfigError, a RangeError or a TypeError that names what is wrong with the options or the
 * prompt, the signal's reason when that aborts, and what made a call of the network fail.
 */
export function generate(
  model: GenerativeModel,
  prompt: Prompt,
  given: GenerationOptions = {},
): AsyncGenerator<GenerationEvent, void, undefined> {
  const { signal, ...options } = Object(given) as GenerationOptions
  return new GenerationStream(async () => {
    checkArguments('generate', { options: [given, 'options'] })
    const request = await generationRequest(model, prompt, options)
    return (listener) => {
      const engine = engineOf(model.network)
      const generation = engine.submit(request, listener)
      return {
        cancel: (error) => engine.cancel(generation, error),
        resume: () => engine.wake(),
      }
    }
  }, signal)
}

/** The request that `generate` sends to the engine. Rejects as `generate` throws. */
export async function generationRequest(
  model: GenerativeModel,
  prompt: Prompt,
  options: Omit<GenerationOptions, 'signal'>,
): Promise<GenerationRequest> {
  const settings = parseConfig(generationOptionsSchema, options, 'generation options')
  const { tokenizer, objective } = model
  const { vocabulary } = model.network.config
  const unknown = settings.stopTokens.find((id) => id >= vocabulary)
  if (unknown !== undefined)
    throw new RangeError(
      `generate: options.stopTokens must be ids below ${vocabulary}, the model's vocabulary, received ${unknown}`,
    )
  const prepared = await preparePrompt(prompt, model)
  if (prepared.prompt.length === 0 && settings.startWith === 'text')
    throw new RangeError(
      'generate: prompt must have text or an image, as the model has no token that begins a document, received neither',
    )
  const codec = settings.previewEvery > 0 ? requireCodec(model, 'previewEvery') : codecOf(model)
  return {
    ...prepared,
    tokenizer,
    settings,
    codec,
    imageSampling: imageSamplingOf(settings, objective, codec?.range),
    imageSeed: (image) => settings.seed * 1024 + image,
    text: new StreamedText(tokenizer, [settings.stop].flat()),
    client: {},
  }
}
