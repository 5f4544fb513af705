import type { EncodedPart } from '../../sequence/image_parts.js'
import { packingOf } from '../../sequence/packing_options.js'
import {
  type AttentionMetadata,
  firstImages,
  tensorsOfMetadata,
  uploadAttentionMetadata,
} from '../../nn/attention_metadata.js'
import { decodeMetadata } from '../../sequence/decode_metadata.js'
import { type SpecialTokens, unconditionalPrefix } from '../../sequence/document.js'
import { advance, type Cursor, orderImages } from '../../sequence/metadata.js'
import { fromArray, type Tensor } from '../../tensor/tensor.js'
import type { Generation } from './generation.js'
import { isGuided, isGuidedAt } from '../image_sampling.js'
import type { GenerativeConfig } from '../model.js'
import type { CachedSequence } from './sequence_cache.js'
import type { AppendedPart } from './step_input.js'
import {
  type DenoisingRequest,
  isDenoising,
  isSamplingCode,
  type ScheduledRequest,
} from './scheduled_request.js'

/** What a step adds to one cached sequence, and where the sequence stands afterwards. */
export interface SequenceExtension {
  readonly sequence: CachedSequence
  readonly parts: readonly AppendedPart[]
  /** Without patches that are denoised: the next step writes over their keys and values. */
  readonly end: Cursor
}

/**
 * One call of the network for all requests of a step, laid out and uploaded.
 *
 * Images have an order of their own in the batch, by what is computed for them, not the order of the sequences:
 *
 * 1. `denoising` [N]: images that are denoised, guided ones first;
 * 2. the first `guided` [G] of these again, in the same order, for the sequence without the condition;
 * 3. `committed`: finished images, clean;
 * 4. `promptImages`: images of prompts, clean.
 *
 * So what follows are contiguous ranges of rows, without an index: x of (1) is the sampler's state, x of (2) is a view of
 * its first G rows; the network's image head runs on the first N + G images alone; and image i < G has its conditional
 * prediction in row i and its unconditional one in row N + i.
 *
 * An example. A denoises with guidance and B without; C commits its image c; D reads a prompt with the images d1 and d2.
 * By their slots in the cache the sequences come in the order D, A, C, A without condition (A'), B:
 *
 *     in the sequences   d1  d2  a   c   a'  b
 *     place in the batch  4   5  0   3   2   1
 *
 *     in the batch       a   b   a'  c   d1  d2      N = 2, G = 1
 *     order               2   5   4   3   0   1      (in the sequences: what `orderImages` takes)
 *     t                  t_a t_b t_a  0   0   0
 *     x, values          [state a b][view a][state c][pixels d1 d2]
 *     prediction         [cond. a b][uncond. a]
 */
export interface ModelBatch {
  readonly requests: readonly ScheduledRequest[]
  readonly denoising: readonly DenoisingRequest[]
  readonly guided: number
  readonly committed: readonly Generation[]
  readonly promptImages: readonly EncodedPart[]
  readonly extensions: readonly SequenceExtension[]
  readonly metadata: AttentionMetadata
  /** The metadata with the first N + G images alone. */
  readonly denoisingMetadata: AttentionMetadata
  /** `[T]` i32: the slot of each position in the cache. */
  readonly slots: Tensor
  /** Whether the next step's batch may be the same but for t: all requests denoise, and append nothing. */
  readonly isRepeatable: boolean
  /** The row of each request's last position, whose logits give its next token. */
  readonly lastRows: ReadonlyMap<ScheduledRequest, number>
  /** Of requests that sample a code with guidance, that row in the sequence without the condition. */
  readonly unconditionalRows: ReadonlyMap<ScheduledRequest, number>
}

/** Parts that a request's input adds to the generation's sequences. */
export interface InputParts {
  readonly conditional: readonly AppendedPart[]
  /** Those of `conditional` that stay in the sequence. */
  readonly kept: readonly AppendedPart[]
  /** For the sequence without the condition; empty where guidance does not apply. */
  readonly unconditional: readonly AppendedPart[]
  /** Those of `unconditional` that stay in it. */
  readonly unconditionalKept: readonly AppendedPart[]
}

export function partsOf({ generation, input }: ScheduledRequest, tokens: SpecialTokens): InputParts {
  const none = { unconditional: [], unconditionalKept: [] }
  if (input.type === 'append') return { conditional: input.parts, kept: input.parts, ...none }
  if (input.type === 'code') {
    const kept: AppendedPart[] = [{ type: 'text', ids: [input.id] }]
    if (!isGuided(generation.request.imageSampling)) return { conditional: kept, kept, ...none }
    const unconditional = input.index === 0 ? [unconditionalPrefix(tokens)] : kept
    return { conditional: kept, kept, unconditional, unconditionalKept: unconditional }
  }
  const { image } = generation.format
  const kept: AppendedPart[] = input.step === 0 ? [{ type: 'text', ids: [tokens.boi] }] : []
  const hasBegun = (generation.unconditional?.cursor.length ?? 0) > 0
  const prefix = hasBegun ? [] : [unconditionalPrefix(tokens)]
  const guided = isGuidedAt(generation.request.imageSampling, input.step)
  return {
    conditional: [...kept, image],
    kept,
    unconditional: guided ? [...prefix, image] : [],
    unconditionalKept: prefix,
  }
}

/** Lays out a step for a cache of `slots` slots. The open scope owns what it uploads. */
export function makeModelBatch(
  requests: readonly ScheduledRequest[],
  config: GenerativeConfig,
  slots: number,
): ModelBatch {
  const packing = packingOf(config)
  const denoising = requests.filter(isDenoising).toSorted((a, b) => denoisingKindOf(a) - denoisingKindOf(b))
  const guided = denoising.filter(isGuidedRequest).length
  const committed = requests.flatMap(({ generation, input }) =>
    input.type === 'append' && input.commitsImage ? [generation] : [],
  )
  const extensions = extensionsOf(requests, { denoising, committed, guided }, packing)
  // The kernel finds a sequence's keys from its first slot on; sequences come in the order of their slots.
  extensions.sort((a, b) => a.sequence.start - b.sequence.start)
  const keyRows = Int32Array.from([...extensions.map(({ sequence }) => sequence.start), slots])
  const decoded = decodeMetadata(
    extensions.map(({ sequence, parts }) => ({ start: sequence.cursor, spans: parts })),
    keyRows,
    packing,
  )
  const { places, promptImages } = placeImages(extensions, denoising.length + guided + committed.length)
  const ordered = orderImages(decoded, inverse(places))
  const metadata = uploadAttentionMetadata(ordered, config.image)
  const rowsOf = (isWanted: (extension: PlacedExtension) => boolean) =>
    new Map(
      extensions.flatMap((extension, i) =>
        isWanted(extension) ? [[extension.request, decoded.lastRows[i]!] as const] : [],
      ),
    )
  return {
    requests,
    denoising,
    guided,
    committed,
    promptImages,
    extensions,
    metadata,
    denoisingMetadata: firstImages(metadata, ordered, denoising.length + guided, config.image),
    slots: fromArray(decoded.slots),
    isRepeatable: denoising.length === requests.length && extensions.every(({ parts }) => parts.length === 1),
    lastRows: rowsOf(({ isConditional }) => isConditional),
    unconditionalRows: rowsOf(({ isConditional, request }) => !isConditional && isSamplingCode(request)),
  }
}

interface PlacedExtension extends SequenceExtension {
  /** What it is of. */
  readonly request: ScheduledRequest
  /** Whether it has the condition: the generation's own sequence. */
  readonly isConditional: boolean
  /** The place in the batch of its image that is denoised or committed; undefined where it has none. */
  readonly place: number | undefined
}

function extensionsOf(
  requests: readonly ScheduledRequest[],
  { denoising, committed, guided }: Pick<ModelBatch, 'denoising' | 'committed' | 'guided'>,
  { patch, tokens }: { patch: number; tokens: SpecialTokens },
): PlacedExtension[] {
  const denoisingPlaces = new Map(denoising.map((request, i) => [request as ScheduledRequest, i]))
  const committedPlaces = new Map(
    committed.map((generation, i) => [generation, denoising.length + guided + i]),
  )
  return requests.flatMap((request) => {
    const { generation, input } = request
    const { conditional, kept, unconditional, unconditionalKept } = partsOf(request, tokens)
    const place = denoisingPlaces.get(request)
    const commits = input.type === 'append' && input.commitsImage
    const own: PlacedExtension = {
      sequence: generation.conditional!,
      parts: conditional,
      end: advance(generation.conditional!.cursor, kept, patch),
      request,
      isConditional: true,
      place: commits ? committedPlaces.get(generation) : place,
    }
    if (unconditional.length === 0) return [own]
    const sequence = generation.unconditional!
    return [
      own,
      {
        sequence,
        parts: unconditional,
        end: advance(sequence.cursor, unconditionalKept, patch),
        request,
        isConditional: false,
        place: place === undefined ? undefined : denoising.length + place,
      },
    ]
  })
}

/** The place in the batch of each image in the order of the sequences; those of prompts from `firstOfPrompts` on. */
function placeImages(
  extensions: readonly PlacedExtension[],
  firstOfPrompts: number,
): { places: number[]; promptImages: EncodedPart[] } {
  const promptImages: EncodedPart[] = []
  const places: number[] = []
  for (const { parts, place } of extensions)
    for (const part of parts)
      if (part.type === 'text') continue
      else if ('values' in part) {
        places.push(firstOfPrompts + promptImages.length)
        promptImages.push(part)
      } else places.push(place!)
  return { places, promptImages }
}

/** Where each number 0 .. n - 1 stands in a permutation of them. */
function inverse(permutation: readonly number[]): number[] {
  const result = [...permutation]
  permutation.forEach((value, i) => (result[value] = i))
  return result
}

/** Requests of one kind are denoised by one call of the kernel; guided ones come first. */
export const denoisingKindOf = (request: DenoisingRequest): number =>
  (isGuidedRequest(request) ? 0 : 2) + (request.generation.request.imageSampling.clip ? 0 : 1)

const isGuidedRequest = ({ generation, input }: DenoisingRequest): boolean =>
  isGuidedAt(generation.request.imageSampling, input.step)

/** The tensors of a batch. */
export const tensorsOfBatch = ({ metadata, denoisingMetadata, slots }: ModelBatch): Tensor[] => [
  slots,
  // Some tensors are in both.
  ...new Set([...tensorsOfMetadata(metadata), ...tensorsOfMetadata(denoisingMetadata)]),
]
