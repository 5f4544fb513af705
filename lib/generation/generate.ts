import { checkArguments } from '../arguments.js'
import { parseConfig } from '../config/parse.js'
import type { GenerativeModel } from './model.js'
import { imageSamplingOf } from './image_sampling.js'
import { engineOf } from './engine.js'
import type { GenerationEvent } from './events.js'
import type { GenerationRequest } from './generation.js'
import { GenerationStream } from './generation_stream.js'
import { type GenerationOptions, generationOptionsSchema } from './options.js'
import { type Prompt, promptSpans } from './prompt.js'
import { StreamedText } from './text_output.js'

/**
 * Goes on from a prompt: in LM mode a token at a time until BOI; then in diffusion mode, which draws an image from
 * noise; then EOI and LM mode again, until the end of the document, a stop or a maximum (paper, section 3). Each
 * position is computed once and kept in a cache; of an image, the clean patches are (t = 0), computed once it is drawn.
 *
 * It begins when the first event is asked for, together with whatever else the model generates: what comes of it does
 * not depend on that (text exactly, in f32; images to rounding). It waits for a consumer that is slow, and ends when the
 * consumer leaves the loop. The iterator throws a ConfigError, a RangeError or a TypeError that names what is wrong with
 * the options or the prompt, the signal's reason when that aborts, and what made a call of the network fail.
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

/** What the engine is asked for. Rejects as `generate` does. */
export async function generationRequest(
  { network, tokenizer, objective }: GenerativeModel,
  prompt: Prompt,
  options: Omit<GenerationOptions, 'signal'>,
): Promise<GenerationRequest> {
  const settings = parseConfig(generationOptionsSchema, options, 'generation options')
  const { vocabulary } = network.config
  const unknown = settings.stopTokens.find((id) => id >= vocabulary)
  if (unknown !== undefined)
    throw new RangeError(`stopTokens: token ${unknown}, the model's vocabulary has ${vocabulary}`)
  const spans = await promptSpans(prompt, tokenizer, network.config)
  if (spans.length === 0 && settings.startWith === 'text')
    throw new RangeError(
      'prompt: expected text or an image, as the model has no token that begins a document',
    )
  return {
    prompt: spans,
    tokenizer,
    settings,
    drawing: imageSamplingOf(settings, objective),
    imageSeed: (image) => settings.seed * 1024 + image,
    text: new StreamedText(tokenizer, [settings.stop].flat()),
    caller: {},
  }
}
