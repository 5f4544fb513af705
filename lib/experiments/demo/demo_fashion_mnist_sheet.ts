import {
  type ContactSheet,
  inRows,
  labelledRows,
  rightColour,
  wrongColour,
} from '../../image/contact_sheet.js'
import type { Image } from '../../image/image.js'
import type { ClassEvaluation } from '../../evaluation/classes/evaluate_classes.js'

const columns = 10

/** The demo's contact sheet: a row of generated images for each caption, then test images with the captions written. */
export function fashionMnistSheet({
  generated,
  described,
  captions,
  name,
}: {
  generated: readonly Image[]
  described: ClassEvaluation['described']
  captions: readonly string[]
  name: string
}): ContactSheet {
  const describedCells = described.map(({ image, caption, written }) => ({
    image,
    captions: [{ text: written, colour: written === caption ? rightColour : wrongColour }],
  }))
  return {
    title: `Transfusion on ${name}`,
    scale: 4,
    sections: [
      { heading: 'Generated from captions', rows: labelledRows(generated, captions, columns) },
      { heading: 'Test images and the captions written for them', rows: inRows(describedCells, columns) },
    ],
  }
}
