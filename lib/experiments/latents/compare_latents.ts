/** `transfusion compare latents`: a model of latents against one of pixels in equal time, and a KL autoencoder against a VQ-VAE. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type EmojiData, openEmoji } from '../../datasets/emoji/emoji.js'
import { stackPngs } from '../../image/image_io.js'
import { runFiles } from '../../reporting/run_files.js'
import { type RunMessages, silent } from '../../run/messages.js'
import { currentDevice, type Device, deviceInfo } from '../../tensor/device.js'
import { emojiLearning, emojiModel } from '../demo/demo_emoji.js'
import type { DemoSettings } from '../demo/demo_task.js'
import { trainEmojiAutoencoder } from './emoji_autoencoder.js'
import { trainEmojiModel } from './emoji_model.js'
import { autoencoderShare, latentsPaths, runLatents } from './latents_demo.js'
import { latentsTable } from './latents_table.js'

/** Pixels along a side of the emoji: the largest that a model of pixels is there for. */
const side = 64

/** How long models are trained, and where they are written. */
export interface LatentsComparisonOptions extends Partial<RunMessages> {
  /** Of each model, an autoencoder's counted. */
  minutes: number
  seed: number
  /** How images are generated, where it differs from the demo's choices. */
  images?: DemoSettings['images']
  /** Where metrics and pictures are written. */
  out: string
  /** Where the models are trained; by default TRANSFUSION_DEVICE, else 'cpu'. */
  device?: Device | undefined
  /** A file of LPIPS' weights, to compare reconstructions by. */
  lpips?: string | undefined
  /** Stops the comparison, which then rejects with the signal's reason; the same call goes on. */
  signal?: AbortSignal
}

/**
 * Trains on emoji of 64 x 64 pixels, as long by the clock each: a model of pixels; an autoencoder for two fifths of the time and
 * a model of its latents for the rest; beside that autoencoder a VQ-VAE for as long. Writes `table.md` and `samples.png`, and
 * a run's folder for each. Resolves with the table, in Markdown.
 */
export async function compareLatents(options: LatentsComparisonOptions): Promise<string> {
  const { minutes } = options
  if (!(minutes > 0))
    throw new RangeError(`compareLatents: minutes must be a positive number, received ${minutes}`)
  return compareLatentsOf(await openEmoji(side), options)
}

/** The folders of the runs. */
export const comparisonPaths = (out: string) => ({
  pixels: join(out, 'pixels'),
  latents: join(out, 'latents'),
  vq: join(out, 'vq'),
})

/** Compares on pictures that are open. */
export async function compareLatentsOf(
  data: EmojiData,
  {
    minutes,
    seed,
    images,
    out,
    device = currentDevice(),
    lpips,
    signal,
    ...messages
  }: LatentsComparisonOptions,
): Promise<string> {
  const { onMessage = silent.onMessage, onWarning = silent.onWarning } = messages
  const hooks = { onMessage, onWarning, ...(signal && { signal }) }
  const compute = { seed, device, precision: deviceInfo(device).nativeBf16 ? 'bf16' : 'f32' } as const
  const folders = comparisonPaths(out)
  const paths = latentsPaths(folders.latents, side)
  const settings = { side, minutes, seed, images } as const

  onMessage('An autoencoder and a model of its latents ...')
  const latents = await runLatents(data, settings, { ...hooks, out: folders.latents, device, lpips })
  onMessage('A VQ-VAE ...')
  const vq =
    latents &&
    (await trainEmojiAutoencoder(
      data,
      { ...compute, side, kind: 'vq', pictures: paths.pictures, minutes: autoencoderShare * minutes },
      { ...hooks, out: folders.vq, lpips },
    ))
  onMessage('A model of pixels ...')
  const pixels =
    vq &&
    (await trainEmojiModel(
      emojiLearning(data, settings),
      {
        ...compute,
        side,
        model: emojiModel(side),
        data: { type: 'folder', path: paths.pictures },
        minutes,
      },
      { ...hooks, out: folders.pixels },
    ))
  if (!latents || !vq || !pixels) throw signal!.reason

  const table = latentsTable({ pixels, latents: latents.model, kl: latents.autoencoder, vq })
  await writeFile(join(out, 'table.md'), table)
  const sheets = [folders.pixels, folders.latents, paths.autoencoder, folders.vq]
  await stackPngs(
    sheets.map((folder) => join(folder, runFiles.contactSheet)),
    join(out, runFiles.contactSheet),
  )
  onMessage(`\n${table}\nTable: ${join(out, 'table.md')}   pictures: ${join(out, runFiles.contactSheet)}`)
  return table
}
