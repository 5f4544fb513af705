/** `transfusion demo --data emoji --latents`: an autoencoder of emoji, then a model of text and of its latents. */
import { join } from 'node:path'
import { given } from '../../config/given.js'
import { type EmojiData, openEmoji } from '../../datasets/emoji/emoji.js'
import { encodeLatents } from '../../run/encode_latents.js'
import { type RunMessages, silent } from '../../run/messages.js'
import { runPaths } from '../../run/run_folder.js'
import type { SessionHooks } from '../../run/train_session.js'
import { currentDevice, deviceInfo } from '../../tensor/device.js'
import { emojiLearning } from '../demo/demo_emoji.js'
import type { DemoSettings } from '../demo/demo_task.js'
import type { DemoOptions } from '../demo/run_demo.js'
import { isLatentSide, type LatentSide, latentSides } from './autoencoder_config.js'
import { type AutoencoderResult, trainEmojiAutoencoder } from './emoji_autoencoder.js'
import { trainEmojiModel } from './emoji_model.js'
import { emojiModelConfig, latentsModel } from './model_config.js'

/** Of the minutes of training, those of the autoencoder. */
export const autoencoderShare = 0.4

/** Where a demo of latents is written, and its hooks. */
export interface LatentsDemoOptions extends DemoOptions {
  /** A file of LPIPS' weights, to compare reconstructions by. */
  lpips?: string | undefined
}

/**
 * Trains an autoencoder of emoji for two fifths of the minutes, measures what it makes of held-out ones, encodes the training
 * ones, trains a model of text and latents for the rest, and evaluates that as the demo of pixels does. All of it is written
 * into the run's folder, and the same call goes on where an earlier one was stopped or killed. Rejects with an Error that
 * says how to get the icons where they are missing.
 */
export async function runLatentsDemo(settings: DemoSettings, options: LatentsDemoOptions): Promise<void> {
  const { side = latentSides[0], minutes } = settings
  if (!isLatentSide(side))
    throw new RangeError(`runLatentsDemo: side must be 64, 128 or 256, received ${side}`)
  if (!(minutes > 0))
    throw new RangeError(`runLatentsDemo: minutes must be a positive number, received ${minutes}`)
  await runLatents(await openEmoji(side), { ...settings, side }, options)
}

/** Where the parts of a demo of latents lie; the model's run is the folder itself. */
export const latentsPaths = (out: string, side: LatentSide) => ({
  pictures: join(out, `pictures-${side}`),
  autoencoder: join(out, 'autoencoder'),
  latents: join(out, 'latents'),
})

/** Runs it on pictures that are open. Resolves with all metrics, or undefined where the signal ended training. */
export async function runLatents(
  data: EmojiData,
  { side, minutes, seed, images }: DemoSettings & { side: LatentSide },
  { out, device = currentDevice(), lpips, ...options }: LatentsDemoOptions,
): Promise<{ autoencoder: AutoencoderResult; model: Readonly<Record<string, number>> } | undefined> {
  const hooks: SessionHooks & RunMessages = { ...silent, ...given(options) }
  const { onMessage, onWarning } = hooks
  const compute = { seed, device, precision: deviceInfo(device).nativeBf16 ? 'bf16' : 'f32' } as const
  const { pictures, autoencoder, latents } = latentsPaths(out, side)
  const reconstructions = await trainEmojiAutoencoder(
    data,
    { ...compute, side, kind: 'kl', pictures, minutes: autoencoderShare * minutes },
    { ...hooks, out: autoencoder, lpips },
  )
  if (!reconstructions) return undefined
  const { train_steps, train_seconds, ...similarity } = reconstructions
  const learning = emojiLearning(data, { side, minutes, seed, images })
  const model = {
    ...compute,
    side,
    model: latentsModel(side, runPaths(autoencoder).model),
    minutes: (1 - autoencoderShare) * minutes,
  }
  onMessage(`Encoding ${data.training.length} pictures once ...`)
  const unencoded = emojiModelConfig(learning, { ...model, data: { type: 'folder', path: pictures } })
  await encodeLatents(unencoded, { onMessage, onWarning, out: latents })
  const metrics = await trainEmojiModel(
    learning,
    { ...model, data: { type: 'latents', path: latents } },
    {
      ...hooks,
      out,
      metrics: { ...similarity, autoencoder_steps: train_steps, autoencoder_seconds: train_seconds },
    },
  )
  return metrics && { autoencoder: reconstructions, model: metrics }
}
