import { drawContactSheet, inRows } from '../image/contact_sheet.js'
import type { Image } from '../image/image.js'

const columns = 10
/** Sheet pixels that an image is wide, or more: smaller ones are enlarged by whole factors. */
const cellWidth = 112

/** Images with a caption below each, in rows of ten, as one image. */
export function drawSampleSheet(title: string, images: readonly Image[], captions: readonly string[]): Image {
  const cells = images.map((image, i) => ({ image, captions: [{ text: captions[i]! }] }))
  const widest = Math.max(...images.map(({ width }) => width))
  const scale = Math.max(1, Math.ceil(cellWidth / widest))
  return drawContactSheet({ title, scale, sections: [{ heading: '', rows: inRows(cells, columns) }] })
}
