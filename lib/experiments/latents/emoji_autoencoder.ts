/** An autoencoder of emoji: trained, measured on those held out, with a sheet; the same call goes on where it was stopped. */
import { join } from 'node:path'
import type { EmojiData } from '../../datasets/emoji/emoji.js'
import { given } from '../../config/given.js'
import { readJson } from '../../files/json_file.js'
import { runFiles } from '../../reporting/run_files.js'
import { type RunMessages, silent } from '../../run/messages.js'
import { runPaths } from '../../run/run_folder.js'
import { trainFromConfig } from '../../run/train_from_config.js'
import type { SessionHooks } from '../../run/train_session.js'
import { writeResult } from '../demo/demo_result.js'
import { EmojiClassifiers } from '../emoji/emoji_classifiers.js'
import { type EmojiAutoencoder, emojiAutoencoderConfig } from './autoencoder_config.js'
import { writePictureFiles } from './picture_files.js'
import { measureReconstructions, type ReconstructionMetrics } from './reconstructions.js'

/** Metrics of an autoencoder that is trained. */
export interface AutoencoderResult extends ReconstructionMetrics {
  readonly train_steps: number
  readonly train_seconds: number
}

/** How an autoencoder of emoji is trained and measured. */
export interface EmojiAutoencoderOptions extends SessionHooks {
  /** The run's folder. */
  out: string
  /** A file of LPIPS' weights, to compare pictures by. */
  lpips?: string | undefined
}

/** Resolves with undefined where the signal ended training. */
export async function trainEmojiAutoencoder(
  data: EmojiData,
  autoencoder: EmojiAutoencoder,
  { out, lpips, ...options }: EmojiAutoencoderOptions,
): Promise<AutoencoderResult | undefined> {
  const hooks: SessionHooks & RunMessages = { ...silent, ...given(options) }
  await writePictureFiles(autoencoder.pictures, data.training.pictures)
  const { outcome, steps, seconds } = await trainFromConfig(emojiAutoencoderConfig(autoencoder), {
    ...hooks,
    out,
  })
  if (outcome === 'interrupted') return undefined
  const known = ((await readJson(join(out, runFiles.finalMetrics), false)) ||
    {}) as Partial<AutoencoderResult>
  if (known.train_steps === steps && (lpips === undefined || known.lpips !== undefined))
    return known as AutoencoderResult
  hooks.onMessage(
    'Training classifiers on the real emoji, by whose features reconstructions are compared ...',
  )
  const { seed, precision, device } = autoencoder
  using classifiers = await EmojiClassifiers.train(data.training, { seed })
  const { metrics, sheet } = await measureReconstructions(data, {
    folder: runPaths(out).model,
    precision,
    device,
    featuresOf: async (images) => (await classifiers.classify(images)).features,
    lpips,
  })
  const result = { ...metrics, train_steps: steps, train_seconds: seconds }
  await writeResult(out, { ...result }, sheet, hooks.onMessage)
  return result
}
