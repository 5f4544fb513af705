import type { WeightedSource } from '../../data/stream/open_stream.js'
import { generateImages } from '../../generation/generate_images.js'
import type { GenerativeModel } from '../../generation/model.js'
import { unknownWordsOf } from '../../generation/unknown_words.js'
import { drawSampleSheet } from '../../reporting/sample_sheet.js'
import type { DrawSheet } from '../run_model.js'
import type { GenerativeTrainConfig } from './config.js'
import { spreadTexts } from './texts.js'

/** Sheets of images that a model generates after the prompts of a config, or captions of the data. */
export async function generatedSheets(
  model: GenerativeModel,
  { every: _every, prompts: given, ...options }: GenerativeTrainConfig['samples'],
  sources: readonly WeightedSource[],
  onWarning: (line: string) => void,
): Promise<DrawSheet> {
  const unknown = await unknownWordsOf(model.tokenizer, given ?? [])
  if (unknown !== undefined) onWarning(`samples.prompts: ${unknown}`)
  const captions = given ?? (await spreadTexts(sources, 10))
  return async (step, signal) => {
    const images = await generateImages(model, captions, undefined, options, { signal }).catch((error) => {
      // Whoever stops the run does not wait for its pictures.
      if (!signal?.aborted) throw error
    })
    if (!images || images.length === 0) return undefined
    return { image: drawSampleSheet(`step ${step}`, images, captions), captions }
  }
}
