import { packingOf, type PixelPart } from '../models/transfusion/pixel_parts.js'
import {
  type DeviceLayout,
  firstImages,
  tensorsOfLayout,
  uploadLayout,
} from '../models/transfusion/device_layout.js'
import type { TransfusionConfig } from '../models/transfusion/config.js'
import { decodeLayout } from '../sequence/decode_layout.js'
import { type Part, type SpecialTokens, unconditionalPrefix } from '../sequence/document.js'
import { advance, type Cursor, orderImages } from '../sequence/layout.js'
import { fromArray, type Tensor } from '../tensor/tensor.js'
import { isGuided } from './drawing.js'
import type { Generation, Turn } from './generation.js'
import type { CachedSequence } from './sequence_cache.js'

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
  readonly given: readonly PixelPart[]
  readonly extensions: readonly Extension[]
  readonly layout: DeviceLayout
  /** The layout with the first N + G images alone. */
  readonly drawnLayout: DeviceLayout
  /** [T]: the slot of each position. */
  readonly slots: Tensor
  /** The row from which an entry's next token is drawn, by entry. */
  readonly lastRows: ReadonlyMap<Entry, number>
}

/** What a turn adds to the generation's sequences; the second is the form without the condition. */
export function spansOf(
  turn: Turn,
  { drawn }: Generation['framing'],
  tokens: SpecialTokens,
): { spans: readonly Part[]; kept: readonly Part[]; unconditional: readonly Part[] } {
  if (turn.type === 'read') return { spans: turn.spans, kept: turn.spans, unconditional: [] }
  const begins = turn.step === 0
  const kept: Part[] = begins ? [{ type: 'text', ids: [tokens.boi] }] : []
  return {
    spans: [...kept, drawn],
    kept,
    unconditional: [...(begins ? [unconditionalPrefix(tokens)] : []), drawn],
  }
}

/** Lays out a round; `slots`: how many the cache has. What it uploads belongs to the open scope. */
export function planRound(entries: readonly Entry[], config: TransfusionConfig, slots: number): Plan {
  const packing = packingOf(config)
  const { patch, tokens } = packing
  const drawers = entries
    .filter((entry): entry is DrawEntry => entry.turn.type === 'denoise')
    .toSorted((a, b) => kindOf(a) - kindOf(b))
  const guided = drawers.filter(({ generation }) => isGuided(generation.request.drawing)).length
  const drawn = entries.flatMap(({ generation, turn }) =>
    turn.type === 'read' && turn.drawn ? [generation] : [],
  )
  const numbers = new Map(drawers.map((entry, i) => [entry as Entry, i]))
  const drawnNumbers = new Map(drawn.map((generation, i) => [generation, drawers.length + guided + i]))

  /** An extension, and the place of its first image among the images; prompts' come last. */
  const parts: (Extension & { entry: Entry | undefined; image: number | undefined })[] = []
  for (const entry of entries) {
    const { generation, turn } = entry
    const { spans, kept, unconditional } = spansOf(turn, generation.framing, tokens)
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
    if (number !== undefined && generation.unconditional)
      add(generation.unconditional, unconditional, unconditional.slice(0, -1), drawers.length + number)
  }
  // The kernel finds a sequence's keys from its first slot on; sequences come in the order of their slots.
  parts.sort((a, b) => a.sequence.start - b.sequence.start)
  const keyRows = Int32Array.from([...parts.map(({ sequence }) => sequence.start), slots])
  const laidOut = decodeLayout(
    parts.map(({ sequence, spans }) => ({ start: sequence.cursor, spans })),
    keyRows,
    packing,
  )

  const given: PixelPart[] = []
  const firstGiven = drawers.length + guided + drawn.length
  const places: number[] = []
  for (const { spans, image } of parts) {
    const images = spans.filter((span) => span.type === 'image')
    images.forEach((span, i) => {
      if (i === 0 && image !== undefined) return places.push(image)
      places.push(firstGiven + given.length)
      return given.push(span as PixelPart)
    })
  }
  const order = [...places]
  places.forEach((place, i) => (order[place] = i))
  const ordered = orderImages(laidOut, order)
  const layout = uploadLayout(ordered, config.image)
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
    lastRows: new Map(parts.flatMap(({ entry }, i) => (entry ? [[entry, laidOut.lastRows[i]!]] : []))),
  }
}

/** Of the images that the kernel `denoise` takes in one call; guided ones come first. */
export const kindOf = ({ generation: { request } }: DrawEntry): number =>
  (isGuided(request.drawing) ? 0 : 2) + (request.drawing.clip ? 0 : 1)

/** The tensors of a plan. */
export const tensorsOf = ({ layout, drawnLayout, slots }: Plan): Tensor[] => [
  slots,
  // Of the layout's own tensors some are in both.
  ...new Set([...tensorsOfLayout(layout), ...tensorsOfLayout(drawnLayout)]),
]
