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
    const metrics = similarityOf(reconstructions, images)
    return {
      image: drawReconstructions(`step ${step}: ${titleOf(metrics)}`, reconstructions, images),
      captions: reconstructions.map((image, i) => captionOf(image, images[i]!)),
      metrics,
    }
  }
}

/** One image or more above their reconstructions, under a title. */
export function drawReconstructions(
  title: string,
  reconstructions: readonly Image[],
  images: readonly Image[],
): Image {
  const cells = images.map((image, i): SheetCell[] => [
    { image },
    { image: reconstructions[i]!, captions: [{ text: captionOf(reconstructions[i]!, image) }] },
  ])
  return drawContactSheet({
    title,
    scale: Math.max(1, Math.ceil(cellWidth / images[0]!.width)),
    sections: [{ heading: '', rows: alternating(cells) }],
  })
}

const captionOf = (reconstruction: Image, image: Image): string =>
  `${psnr(reconstruction, image).toFixed(1)} dB`

/** Means over images: of the PSNR, and of the SSIM unless one is smaller than its window. */
export function similarityOf(
  reconstructions: readonly Image[],
  images: readonly Image[],
): { psnr: number; ssim?: number } {
  const over = (similarity: typeof psnr) =>
    mean(reconstructions.map((image, i) => similarity(image, images[i]!)))
  const isLarge = images.every(({ width, height }) => Math.min(width, height) >= ssimWindow)
  return { psnr: over(psnr), ...(isLarge && { ssim: over(ssim) }) }
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
