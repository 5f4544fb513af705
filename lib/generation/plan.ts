import type { EncodedPart } from '../sequence/image_parts.js'
import { packingOf } from '../sequence/packing.js'
import {
  type AttentionMetadata,
  firstImages,
  tensorsOfMetadata,
  uploadAttentionMetadata,
} from '../nn/attention_metadata.js'
import type { GenerativeConfig } from './model.js'
import { decodeLayout } from '../sequence/decode_layout.js'
import { type Part, type SpecialTokens, unconditionalPrefix } from '../sequence/document.js'
import { advance, type Cursor, orderImages } from '../sequence/layout.js'
import { fromArray, type Tensor } from '../tensor/tensor.js'
import { isGuidedAt } from './image_sampling.js'
import type { Generation } from './generation.js'
import type { CachedSequence } from './sequence_cache.js'
import type { Turn } from './turn.js'

/** A generation and its turn in a round. */
export interface Entry {
  readonly generation: Generation
  readonly turn: Turn
}

export interface DrawEntry extends Entry {
  readonly turn: Turn & { type: 'denoise' }
}

/** What a turn adds to one sequence, and how much of it stays there. */
export interface Extension {
  readonly sequence: CachedSequence
  readonly spans: readonly Part[]
  readonly end: Cursor
}

/** One call of the network for all turns of a round, laid out and uploaded. S images, their pixels in this order: */
export interface Plan {
  readonly entries: readonly Entry[]
  /** First the images that are drawn [N], the guided ones before the others, ... */
  readonly drawers: readonly DrawEntry[]
  /** ... then the first of them again [G], without the condition, ... */
  readonly guided: number
  /** ... then those that have been drawn and are read, ... */
  readonly drawn: readonly Generation[]
  /** ... then those of prompts. */
  readonly given: readonly EncodedPart[]
  readonly extensions: readonly Extension[]
  readonly layout: AttentionMetadata
  /** The layout with the first N + G images alone. */
  readonly drawnLayout: AttentionMetadata
  /** [T]: the slot of each position. */
  readonly slots: Tensor
  /** Whether the next round may be the same but for t. */
  readonly repeatable: boolean
  /** The row from which an entry's next token is drawn, by entry. */
  readonly lastRows: ReadonlyMap<Entry, number>
}

/**
 * What a turn adds to the generation's sequences; the second is the form without the condition, to which it adds nothing
 * where guidance does not count.
 */
export function spansOf(
  { generation, turn }: Entry,
  tokens: SpecialTokens,
): { spans: readonly Part[]; kept: readonly Part[]; unconditional: readonly Part[] } {
  if (turn.type === 'read') return { spans: turn.spans, kept: turn.spans, unconditional: [] }
  const { drawn } = generation.framing
  const kept: Part[] = turn.step === 0 ? [{ type: 'text', ids: [tokens.boi] }] : []
  const prefix = hasBegun(generation.unconditional) ? [] : [unconditionalPrefix(tokens)]
  const guided = isGuidedAt(generation.request.drawing, turn.step)
  return { spans: [...kept, drawn], kept, unconditional: guided ? [...prefix, drawn] : [] }
}

const hasBegun = (sequence: CachedSequence | undefined): boolean => (sequence?.cursor.length ?? 0) > 0

/** Lays out a round; `slots`: how many the cache has. What it uploads belongs to the open scope. */
export function planRound(entries: readonly Entry[], config: GenerativeConfig, slots: number): Plan {
  const packing = packingOf(config)
  const { patch, tokens } = packing
  const drawers = entries
    .filter((entry): entry is DrawEntry => entry.turn.type === 'denoise')
    .toSorted((a, b) => kindOf(a) - kindOf(b))
  const guided = drawers.filter(isGuidedEntry).length
  const drawn = entries.flatMap(({ generation, turn }) =>
    turn.type === 'read' && turn.drawn ? [generation] : [],
  )
  const numbers = new Map(drawers.map((entry, i) => [entry as Entry, i]))
  const drawnNumbers = new Map(drawn.map((generation, i) => [generation, drawers.length + guided + i]))

  /** An extension, and the place of its first image among the images; prompts' come last. */
  const parts: (Extension & { entry: Entry | undefined; image: number | undefined })[] = []
  for (const entry of entries) {
    const { generation, turn } = entry
    const { spans, kept, unconditional } = spansOf(entry, tokens)
    const number = numbers.get(entry)
    const add = (sequence: CachedSequence, spans: readonly Part[], kept: readonly Part[], image?: number) =>
      parts.push({
        sequence,
        spans,
        end: advance(sequence.cursor, kept, patch),
        entry: sequence === generation.conditional ? entry : undefined,
        image,
      })
    add(
      generation.conditional!,
      spans,
      kept,
      number ?? (turn.type === 'read' && turn.drawn ? drawnNumbers.get(generation) : undefined),
    )
    if (number !== undefined && unconditional.length > 0)
      add(generation.unconditional!, unconditional, unconditional.slice(0, -1), drawers.length + number)
  }
  // The kernel finds a sequence's keys from its first slot on; sequences come in the order of their slots.
  parts.sort((a, b) => a.sequence.start - b.sequence.start)
  const keyRows = Int32Array.from([...parts.map(({ sequence }) => sequence.start), slots])
  const laidOut = decodeLayout(
    parts.map(({ sequence, spans }) => ({ start: sequence.cursor, spans })),
    keyRows,
    packing,
  )

  const given: EncodedPart[] = []
  const firstGiven = drawers.length + guided + drawn.length
  const places: number[] = []
  for (const { spans, image } of parts) {
    const images = spans.filter((span) => span.type === 'image')
    images.forEach((span, i) => {
      if (i === 0 && image !== undefined) return places.push(image)
      places.push(firstGiven + given.length)
      return given.push(span as EncodedPart)
    })
  }
  const order = [...places]
  places.forEach((place, i) => (order[place] = i))
  const ordered = orderImages(laidOut, order)
  const layout = uploadAttentionMetadata(ordered, config.image)
  return {
    entries,
    drawers,
    guided,
    drawn,
    given,
    extensions: parts,
    layout,
    drawnLayout: firstImages(layout, ordered, drawers.length + guided, config.image),
    slots: fromArray(laidOut.slots),
    repeatable: drawers.length === entries.length && parts.every(({ spans }) => spans.length === 1),
    lastRows: new Map(parts.flatMap(({ entry }, i) => (entry ? [[entry, laidOut.lastRows[i]!]] : []))),
  }
}

/** Of the images that the kernel `denoise` takes in one call; guided ones come first. */
export const kindOf = (entry: DrawEntry): number =>
  (isGuidedEntry(entry) ? 0 : 2) + (entry.generation.request.drawing.clip ? 0 : 1)

const isGuidedEntry = ({ generation, turn }: DrawEntry): boolean =>
  isGuidedAt(generation.request.drawing, turn.step)

/** The tensors of a plan. */
export const tensorsOf = ({ layout, drawnLayout, slots }: Plan): Tensor[] => [
  slots,
  // Of the layout's own tensors some are in both.
  ...new Set([...tensorsOfMetadata(layout), ...tensorsOfMetadata(drawnLayout)]),
]
