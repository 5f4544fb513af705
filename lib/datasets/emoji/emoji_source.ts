import type { RawPart } from '../../data/document.js'
import type { DocumentSource } from '../../data/sources/document_source.js'
import { indexedSource } from '../../data/sources/indexed_source.js'
import { RandomDraws } from '../../random.js'
import { drawEmojiEdit, editedPictures } from './edits.js'
import { emojiCaption, openEmoji } from './emoji.js'

/** What documents of emoji are: captioned pictures, edits of pictures. */
export type EmojiTask = 'caption' | 'edit'

/** What documents of emoji follow from, with their index. */
export interface EmojiSourceOptions {
  /** Width and height of the pictures, pixels. */
  readonly size: number
  /** Other seeds, other documents. */
  readonly seed: number
  /** The shares of documents. */
  readonly tasks: Readonly<Record<EmojiTask, number>>
  /** Documents of an epoch. */
  readonly count: number
}

/**
 * Captions and edits of the emoji of the training set, each a pure function of the options and its index. What is held out is
 * in none, as an answer neither. Rejects as `openEmoji`.
 */
export async function openEmojiSource({
  size,
  seed,
  tasks,
  count,
}: EmojiSourceOptions): Promise<DocumentSource> {
  const { training } = await openEmoji(size)
  const pictures = editedPictures(training.pictures, training.pictures)
  const partsOf: Readonly<Record<EmojiTask, (draws: RandomDraws) => RawPart[]>> = {
    caption(draws) {
      const picture = draws.pick(training.pictures)
      return [
        { type: 'text', text: emojiCaption(picture) },
        { type: 'image', image: picture.image },
      ]
    },
    edit(draws) {
      const { source, instruction, target } = drawEmojiEdit(pictures, draws)
      return [
        { type: 'image', image: source },
        { type: 'text', text: instruction },
        { type: 'image', image: target },
      ]
    },
  }
  return indexedSource({
    length: count,
    open: () => ({
      name: (index) => `emoji ${index}`,
      parts(index) {
        const draws = new RandomDraws(seed, 'emoji', index)
        return partsOf[draws.pickWeighted(tasks)](draws)
      },
    }),
  })
}
