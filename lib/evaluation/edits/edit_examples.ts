import { drawEmojiEdit, editedPictures } from '../../datasets/emoji/edits.js'
import { openEmoji } from '../../datasets/emoji/emoji.js'
import { drawEditedScene } from '../../datasets/shapes/documents.js'
import { renderScene } from '../../datasets/shapes/render.js'
import type { Image } from '../../image/image.js'
import { RandomDraws } from '../../random.js'
import { judgeEdit } from '../shapes/judge_edit.js'

/** An edit that is asked for. */
export interface EditExample {
  /** What it does: "recolour", "mirror". */
  readonly kind: string
  /** In words. */
  readonly instruction: string
  /** Before. */
  readonly source: Image
  /** A right answer. */
  readonly target: Image
  /** Whether an answer of this size is right. */
  isRight(answer: Image): boolean
}

/** Edits of scenes that are drawn from another sequence than those of training; their judge reads the pixels. */
export function shapesEdits(size: number, count: number, seed: number): EditExample[] {
  return Array.from({ length: count }, (_, i) => {
    const edit = drawEditedScene('trained', new RandomDraws(seed, 'heldOutScene', i))
    const { kind, instruction } = edit
    const [source, target] = [renderScene(edit.source, size), renderScene(edit.target, size)]
    return { kind, instruction, source, target, isRight: (answer) => judgeEdit(answer, edit).correct }
  })
}

/** Edits that are drawn at most for each that is wanted: most change enough. */
const drawnForEach = 100

/**
 * Edits of held-out emoji: right is what differs from the true edit by a root mean square error of at most `tolerance`. Edits that
 * change less than that, as mirroring a ball does, are not asked for: to copy the source is never right. The other style of a
 * held-out emoji is one that training has seen, if not from this source. Rejects as `openEmoji`, and with a RangeError for a
 * tolerance that hardly an edit exceeds.
 */
export async function emojiEdits(
  size: number,
  count: number,
  seed: number,
  tolerance: number,
): Promise<EditExample[]> {
  const { training, heldOut } = await openEmoji(size)
  const pictures = editedPictures(heldOut.pictures, training.pictures)
  const draws = new RandomDraws(seed, 'emoji', 0)
  const examples: EditExample[] = []
  for (let drawn = 0; examples.length < count; drawn++) {
    if (drawn === drawnForEach * count)
      throw new RangeError(
        `edits: tolerance must be less than what edits change, received ${tolerance}, which leaves ${examples.length} of ${drawn}`,
      )
    const edit = drawEmojiEdit(pictures, draws)
    const isRight = (answer: Image) => pixelError(answer, edit.target) <= tolerance
    if (!isRight(edit.source)) examples.push({ ...edit, isRight })
  }
  return examples
}

/** The root mean square of the differences of two images of one size, as a share of the range of values. */
export function pixelError(a: Image, b: Image): number {
  const squares = a.data.reduce((sum, value, i) => sum + (value - b.data[i]!) ** 2, 0)
  return Math.sqrt(squares / a.data.length) / 255
}
