import { captionMetrics } from '../captions/caption_metrics.js'
import { readCocoCaptions } from '../captions/coco_captions.js'
import { describeImages } from '../describe_images.js'
import { generationProgress } from '../generation_progress.js'
import { readImage } from '../../image/image_io.js'
import type { GenerativeModel } from '../../generation/model.js'
import { requireImagePreprocessing } from '../../sequence/image_model.js'
import type { CaptionTask } from './evaluate_config.js'
import { meanMetric } from './evaluation_result.js'
import type { Outcome, TaskOptions } from './task.js'

/** Images that are held at a time. */
const imagesAtOnce = 64

/** Describes images, and compares what it wrote with people's captions. Rejects with the signal's reason when it aborts. */
export async function runCaptions(
  model: GenerativeModel,
  { path, images, split, count, maxTokens }: CaptionTask,
  { signal, onMessage }: TaskOptions,
): Promise<Outcome> {
  const listed = await readCocoCaptions(path, { ...(images && { images }), ...(split && { split }) })
  const chosen = listed.slice(0, count)
  const preprocessing = requireImagePreprocessing(model, path)
  onMessage(`Describing ${chosen.length} images ...`)
  const progress = generationProgress(chosen.length, onMessage)
  const written: string[] = []
  let cut = 0
  for (let start = 0; start < chosen.length; start += imagesAtOnce) {
    const batch = await Promise.all(
      chosen.slice(start, start + imagesAtOnce).map((image) => readImage(image.path, preprocessing)),
    )
    written.push(...(await describeImages(model, batch, { maxTokens, onCut: () => cut++, signal })))
    for (let i = 0; i < batch.length; i++) progress()
  }
  if (cut > 0) onMessage(`${cut} captions were cut after ${maxTokens} tokens: maxTokens allows longer ones`)
  const { each, ...metrics } = captionMetrics(
    chosen.map(({ references }, i) => ({ written: written[i]!, references })),
  )
  const corpus = ([1, 2, 3, 4] as const).map((n) => [
    `bleu_${n}`,
    { value: metrics[`bleu_${n}`], count: chosen.length },
  ])
  return {
    data: split ? `${path} (${split})` : path,
    settings: { count: chosen.length, maxTokens },
    metrics: {
      cider_d: meanMetric(each.cider_d),
      ...Object.fromEntries(corpus),
      rouge_l: meanMetric(each.rouge_l),
    },
  }
}
