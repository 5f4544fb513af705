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
import { advance, type PatchOptions, buildMetadata, type Cursor, type SequenceMetadata } from './metadata.js'

export interface Extension {
  /** The end of the sequence so far: `sequenceStart`, or the cursor of an earlier call. */
  readonly start: Cursor
  /** What is appended, special tokens included; empty for a sequence that is not extended. */
  readonly spans: readonly Part[]
}

/** All that a model needs to extend cached sequences, except the images' values. B sequences, T queries. */
export interface DecodeMetadata extends SequenceMetadata {
  /** [B + 1]: sequence b has the queries queryRows[b] .. queryRows[b + 1] - 1. */
  readonly queryRows: Int32Array
  /** [B + 1]: the slots of each sequence, as given. */
  readonly keyRows: Int32Array
  /** [T]: the slot into which each query's key and value go. */
  readonly slots: Int32Array
  /** [B]: the row of each sequence's last query, whose logits give its next token; -1 where it has none. */
  readonly lastRows: Int32Array
  /** [B]: the end of each sequence after the call. */
  readonly ends: readonly Cursor[]
}

/**
 * The metadata of one call. `extensions` [B], `keyRows` [B + 1].
 * Throws a RangeError when a sequence does not fit its slots, when the two disagree on B, and as patchGrid.
 */
export function decodeMetadata(
  extensions: readonly Extension[],
  keyRows: Int32Array,
  images: PatchOptions,
): DecodeMetadata {
  if (keyRows.length !== extensions.length + 1) {
    throw new RangeError(
      `decodeMetadata: keyRows must be ${extensions.length + 1}, one more than sequences, received ${keyRows.length}`,
    )
  }
  const ends = extensions.map(({ start, spans }) => advance(start, spans, images.patch))
  const queryRows = new Int32Array(extensions.length + 1)
  ends.forEach((end, b) => {
    const capacity = keyRows[b + 1]! - keyRows[b]!
    if (end.length > capacity) {
      throw new RangeError(`decodeMetadata: sequence ${b} needs ${end.length} cache slots, has ${capacity}`)
    }
    queryRows[b + 1] = queryRows[b]! + end.length - extensions[b]!.start.length
  })
  const slots = new Int32Array(queryRows.at(-1)!)
  extensions.forEach(({ start }, b) => {
    const first = keyRows[b]! + start.length
    for (let row = queryRows[b]!; row < queryRows[b + 1]!; row++) slots[row] = first + row - queryRows[b]!
  })
  return {
    ...buildMetadata(
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
