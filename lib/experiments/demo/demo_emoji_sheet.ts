import {
  type ContactSheet,
  inRows,
  rightColour,
  type SheetCell,
  wrongColour,
} from '../../image/contact_sheet.js'
import type { Image } from '../../image/image.js'
import { emojiCaption, type EmojiDataset } from '../../datasets/emoji/emoji.js'
import { otherStyle } from '../../datasets/emoji/emoji_names.js'
import { sideBySide } from '../../image/pixels.js'
import { evenlySpread } from '../../data/sample_order.js'
import type { EmojiOutput, EmojiOutputs } from '../emoji/emoji_metrics.js'

const cellsOfEach = 24
/** Sheet pixels that an image is wide, or more: smaller ones are enlarged by whole factors. */
const cellWidth = 96
/** A held-out cell has three images, the others two. */
const columns = { training: 6, heldOut: 4 }
const white = 255

/** The demo's contact sheet: generated emoji beside the real ones, with their caption and the one written for the real one. */
export function emojiSheet({ training, heldOut }: EmojiOutputs, trained: EmojiDataset): ContactSheet {
  const some = (outputs: readonly EmojiOutput[]) =>
    evenlySpread(outputs, Math.min(cellsOfEach, outputs.length))
  const images = new Map(trained.pictures.map((picture) => [emojiCaption(picture), picture.image]))
  const otherOf = ({ name, style }: EmojiOutput['picture']) =>
    images.get(emojiCaption({ name, style: otherStyle(style) }))!
  return {
    title: 'Transfusion on emoji',
    scale: Math.ceil(cellWidth / trained.pictures[0]!.image.width),
    sections: [
      {
        heading: 'Pairs of style and name that it learned from: generated, and real',
        rows: inRows(
          some(training).map((output) => cell(output, [])),
          columns.training,
        ),
      },
      {
        heading: 'Held-out pairs: generated, real, and the style that it learned from',
        rows: inRows(
          some(heldOut).map((output) => cell(output, [otherOf(output.picture)])),
          columns.heldOut,
        ),
      },
    ],
  }
}

function cell({ picture, generated, written }: EmojiOutput, more: readonly Image[]): SheetCell {
  const caption = emojiCaption(picture)
  return {
    image: sideBySide([generated, picture.image, ...more], white),
    captions: [
      { text: caption },
      { text: `"${written}"`, colour: written === caption ? rightColour : wrongColour },
    ],
  }
}
