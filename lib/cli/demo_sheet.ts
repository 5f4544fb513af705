import { drawContactSheet, RIGHT, WRONG } from '../data/contact_sheet.js'
import type { Image } from '../data/document.js'
import { writePng } from '../data/image_io.js'
import type { ClassEvaluation } from '../evaluation/evaluate_classes.js'

const columns = 10

/** The demo's contact sheet: a row of drawn images for each caption, then test images with the captions written. */
export async function writeDemoSheet(
  path: string,
  {
    drawn,
    described,
    captions,
    name,
  }: {
    drawn: readonly Image[]
    described: ClassEvaluation['described']
    captions: readonly string[]
    name: string
  },
): Promise<void> {
  const perClass = drawn.length / captions.length
  const drawnRows = captions.map((label, i) => ({
    label,
    cells: drawn.slice(i * perClass, i * perClass + columns).map((image) => ({ image })),
  }))
  const describedRows = chunks(described, columns).map((row) => ({
    cells: row.map(({ image, caption, written }) => ({
      image,
      captions: [{ text: written, colour: written === caption ? RIGHT : WRONG }],
    })),
  }))
  const sheet = drawContactSheet({
    title: `Transfusion on ${name}`,
    scale: 4,
    sections: [
      { heading: 'Drawn from captions', rows: drawnRows },
      { heading: 'Test images and the captions written for them', rows: describedRows },
    ],
  })
  await writePng(path, sheet)
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  const rows: T[][] = []
  for (let i = 0; i < items.length; i += size) rows.push(items.slice(i, i + size))
  return rows
}
