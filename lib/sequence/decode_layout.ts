/**
 * Decoding with a cache of keys and values: one call extends any number of sequences (generations, and the two
 * branches of guidance), each by what it needs: a prompt, a token, an image's patches.
 *
 * The cache has key slots [S] in a row; sequence b owns the slots keyRows[b] .. keyRows[b + 1] - 1, and key
 * position k of that sequence is slot keyRows[b] + k. An image is denoised by repeating the call with the same
 * `start`, its keys written over each time; afterwards it is committed by one more call with the clean image
 * (t = 0) followed by EOI, from whose cursor the sequence goes on.
 */
import type { Part } from './document.js'
import { advance, type ImageLayout, layoutRuns, type Cursor, type Layout } from './layout.js'

export interface Extension {
  /** Where the sequence stands: `sequenceStart`, or the cursor that an earlier call gave. */
  readonly start: Cursor
  /** What follows, special tokens included; empty for a sequence that takes no part in the call. */
  readonly spans: readonly Part[]
}

/** All that a model needs to extend cached sequences, except the pixels. B sequences, T queries. */
export interface DecodeLayout extends Layout {
  /** [B + 1]: sequence b has the queries queryRows[b] .. queryRows[b + 1] - 1. */
  readonly queryRows: Int32Array
  /** [B + 1]: the slots of each sequence, as given. */
  readonly keyRows: Int32Array
  /** [T]: the slot into which each query's key and value go. */
  readonly slots: Int32Array
  /** [B]: the row of each sequence's last query, whose logits give its next token; -1 where it has none. */
  readonly lastRows: Int32Array
  /** [B]: where each sequence stands after the call. */
  readonly ends: readonly Cursor[]
}

/**
 * Lays out one call. `extensions` [B], `keyRows` [B + 1].
 * Throws a RangeError when a sequence does not fit its slots, when the two disagree on B, and as patchGrid.
 */
export function decodeLayout(
  extensions: readonly Extension[],
  keyRows: Int32Array,
  images: ImageLayout,
): DecodeLayout {
  if (keyRows.length !== extensions.length + 1) {
    throw new RangeError(
      `decodeLayout: keyRows has ${keyRows.length} entries for ${extensions.length} sequences, ` +
        `expected ${extensions.length + 1}`,
    )
  }
  const ends = extensions.map(({ start, spans }) => advance(start, spans, images.patch))
  const queryRows = new Int32Array(extensions.length + 1)
  ends.forEach((end, b) => {
    const capacity = keyRows[b + 1]! - keyRows[b]!
    if (end.length > capacity) {
      throw new RangeError(`decodeLayout: sequence ${b} needs ${end.length} cache slots, has ${capacity}`)
    }
    queryRows[b + 1] = queryRows[b]! + end.length - extensions[b]!.start.length
  })
  const slots = new Int32Array(queryRows.at(-1)!)
  extensions.forEach(({ start }, b) => {
    const first = keyRows[b]! + start.length
    for (let row = queryRows[b]!; row < queryRows[b + 1]!; row++) slots[row] = first + row - queryRows[b]!
  })
  return {
    ...layoutRuns(
      extensions.map((extension) => ({ ...extension, keyStart: 0 })),
      images,
    ),
    queryRows,
    keyRows,
    slots,
    lastRows: Int32Array.from(extensions, (_, b) =>
      queryRows[b + 1]! > queryRows[b]! ? queryRows[b + 1]! - 1 : -1,
    ),
    ends,
  }
}
