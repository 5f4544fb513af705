import { drawContactSheet, inRows, type SheetCell } from '../../image/contact_sheet.js'
import type { Image } from '../../image/image.js'
import { psnr, ssim, ssimWindow } from '../../image/similarity.js'
import type { DrawSheet } from '../run_model.js'
import type { TrainedAutoencoder } from './model.js'

const columns = 10
/** Sheet pixels that an image is wide, or more: smaller ones are enlarged by whole factors. */
const cellWidth = 112

/** Sheets of images above their reconstructions, with how near these come. */
export function reconstructionSheets(
  model: Pick<TrainedAutoencoder, 'reconstruct'>,
  images: readonly Image[],
): DrawSheet {
  return async (step, signal) => {
    if (images.length === 0 || signal?.aborted) return undefined
    const reconstructions = await model.reconstruct(images)
    const ratios = reconstructions.map((image, i) => psnr(image, images[i]!))
    const metrics = { psnr: mean(ratios), ...similarity(reconstructions, images) }
    const captions = ratios.map((ratio) => `${ratio.toFixed(1)} dB`)
    const cells = images.map((image, i): SheetCell[] => [
      { image },
      { image: reconstructions[i]!, captions: [{ text: captions[i]! }] },
    ])
    const sheet = drawContactSheet({
      title: `step ${step}: ${titleOf(metrics)}`,
      scale: Math.max(1, Math.ceil(cellWidth / images[0]!.width)),
      sections: [{ heading: '', rows: alternating(cells) }],
    })
    return { image: sheet, captions, metrics }
  }
}

/** The mean SSIM; nothing for images smaller than its window. */
function similarity(images: readonly Image[], originals: readonly Image[]): { ssim?: number } {
  if (images.some(({ width, height }) => Math.min(width, height) < ssimWindow)) return {}
  return { ssim: mean(images.map((image, i) => ssim(image, originals[i]!))) }
}

const titleOf = ({ psnr, ssim }: { psnr: number; ssim?: number }): string =>
  `PSNR ${psnr.toFixed(2)} dB${ssim === undefined ? '' : `, SSIM ${ssim.toFixed(3)}`}`

/** Rows of originals, each above that of their reconstructions. */
function alternating(pairs: readonly (readonly SheetCell[])[]) {
  const [originals, reconstructions] = [0, 1].map((row) =>
    inRows(
      pairs.map((pair) => pair[row]!),
      columns,
    ),
  )
  return originals!.flatMap((row, i) => [row, reconstructions![i]!])
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length
