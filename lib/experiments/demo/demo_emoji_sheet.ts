import { type ContactSheet, inRows, RIGHT, type SheetCell, WRONG } from '../../image/contact_sheet.js'
import type { Image } from '../../image/image.js'
import { emojiCaption, type EmojiDataset } from '../../datasets/emoji/emoji.js'
import { otherStyle } from '../../datasets/emoji/emoji_names.js'
import { sideBySide } from '../../image/pixels.js'
import { evenlySpread } from '../../data/sample_order.js'
import type { EmojiAnswer, EmojiAnswers } from '../emoji/emoji_figures.js'

const cellsOfEach = 24
/** A held-out cell has three images, the others two. */
const columns = { training: 6, heldOut: 4 }
const white = 255

/** The demo's contact sheet: drawn emoji beside the real ones, with the caption asked for and the one that the real one got. */
export function emojiSheet({ training, heldOut }: EmojiAnswers, trained: EmojiDataset): ContactSheet {
  const some = (answers: readonly EmojiAnswer[]) =>
    evenlySpread(answers, Math.min(cellsOfEach, answers.length))
  const images = new Map(trained.pictures.map((picture) => [emojiCaption(picture), picture.image]))
  const otherOf = ({ name, style }: EmojiAnswer['picture']) =>
    images.get(emojiCaption({ name, style: otherStyle(style) }))!
  return {
    title: 'Transfusion on emoji',
    scale: 3,
    sections: [
      {
        heading: 'Pairs of style and name that it learned from: drawn, and the real one',
        rows: inRows(
          some(training).map((answer) => cell(answer, [])),
          columns.training,
        ),
      },
      {
        heading: 'Held-out pairs: drawn, the real one, and the style that it learned from',
        rows: inRows(
          some(heldOut).map((answer) => cell(answer, [otherOf(answer.picture)])),
          columns.heldOut,
        ),
      },
    ],
  }
}

function cell({ picture, drawn, written }: EmojiAnswer, more: readonly Image[]): SheetCell {
  const caption = emojiCaption(picture)
  return {
    image: sideBySide([drawn, picture.image, ...more], white),
    captions: [{ text: caption }, { text: `"${written}"`, colour: written === caption ? RIGHT : WRONG }],
  }
}
