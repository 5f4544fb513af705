import { noGrad } from '../../autograd/tape.js'
import { joinValues } from '../../image/codec.js'
import { uploadAttentionMetadata } from '../../nn/attention_metadata.js'
import type { GenerativeNetwork } from '../../generation/model.js'
import type { EncodedPart } from '../../sequence/image_parts.js'
import { crossEntropy } from '../../ops/cross_entropy.js'
import { codeTokensOf, sequenceOfTokens } from '../../sequence/code_tokens.js'
import type { DocumentParts } from '../../sequence/document.js'
import { packSequences } from '../../sequence/packing.js'
import { packingOf } from '../../sequence/packing_options.js'
import { trainingSequence, type TrainingSequence } from '../../sequence/training_sequence.js'
import { withDevice } from '../../tensor/device.js'
import { scope } from '../../tensor/scope.js'
import { fromArray, type Tensor, zeros } from '../../tensor/tensor.js'

/** How well a model predicts the tokens of a document. */
export interface Likelihood {
  /** Negative log-likelihood of all tokens that count, in nats. */
  readonly nll: number
  /** How many tokens count. */
  readonly tokens: number
}

/** How much is computed at a time. */
export interface LikelihoodOptions {
  /** Positions (tokens and patches) that go through the model together; a longer document goes alone. */
  positions?: number
  /** Ends the work; it then rejects with the signal's reason. */
  signal?: AbortSignal
}

/** Logits that are held at a time: 64 MiB. */
const logitsAtOnce = 2 ** 24

/**
 * The likelihood of each document, in order, given clean images (t = 0). The tokens of text parts count, but for those
 * of weight 0, which are context, and so does the end token where the document has one; BOI never does. Each token is
 * predicted from all before it, so the first counts only where BOS precedes it. Documents are packed into batches.
 */
export async function* documentLikelihoods(
  network: GenerativeNetwork,
  documents: Iterable<DocumentParts<EncodedPart>> | AsyncIterable<DocumentParts<EncodedPart>>,
  { positions = 2048, signal }: LikelihoodOptions = {},
): AsyncGenerator<Likelihood, void, undefined> {
  const options = packingOf(network.config)
  const codes = codeTokensOf(network.config)
  // One batch is packed while another is computed.
  let computed: Promise<Likelihood[]> | undefined
  let batch: TrainingSequence<EncodedPart>[] = []
  let total = 0
  const compute = () => {
    const next = batchLikelihoods(network, batch)
    // Whoever awaits it handles its rejection: Node must not take it for unhandled.
    next.catch(() => {})
    batch = []
    total = 0
    return next
  }
  for await (const document of documents) {
    const framed = trainingSequence(document, options)
    const sequence = codes ? sequenceOfTokens(framed, framed.images, codes, false) : framed
    if (batch.length > 0 && total + sequence.length > positions) {
      signal?.throwIfAborted()
      const previous = computed
      computed = compute()
      if (previous) yield* await previous
    }
    batch.push(sequence)
    total += sequence.length
  }
  if (computed) yield* await computed
  signal?.throwIfAborted()
  if (batch.length > 0) yield* await compute()
}

async function batchLikelihoods(
  network: GenerativeNetwork,
  sequences: readonly TrainingSequence<EncodedPart>[],
): Promise<Likelihood[]> {
  const { config } = network
  const packing = packingOf(config)
  const packed = packSequences(sequences, packing)
  const rows = Int32Array.from(packed.labels.keys()).filter(
    (row) => packed.labels[row]! >= 0 && packed.labels[row] !== packing.tokens.boi,
  )
  const chunk = Math.max(1, Math.floor(logitsAtOnce / config.vocabulary))
  const forward = () =>
    scope(() => {
      const metadata = uploadAttentionMetadata(packed, network.config.image)
      const images = packed.images.length > 0 && {
        values: fromArray(joinValues(packed.images), [-1, config.image.channels]),
        t: zeros([metadata.images]),
      }
      const { hidden } = network.forward(metadata, images || undefined)
      const chunks: Tensor[] = []
      for (let first = 0; first < rows.length; first += chunk)
        chunks.push(
          scope(() => rowLosses(network, hidden, rows.subarray(first, first + chunk), packed.labels)),
        )
      return chunks
    })
  const losses = noGrad(() => withDevice(network.device, forward))
  const reads = losses.map((tensor) => tensor.readFloats())
  for (const tensor of losses) tensor.free()
  const values = (await Promise.all(reads)).flatMap((read) => Array.from(read))

  let next = 0
  let end = 0
  return sequences.map(({ length }) => {
    end += length
    const first = next
    let nll = 0
    for (; next < rows.length && rows[next]! < end; next++) nll += values[next]!
    return { nll, tokens: next - first }
  })
}

const rowLosses = (
  network: GenerativeNetwork,
  hidden: Tensor,
  rows: Int32Array,
  labels: Int32Array,
): Tensor => crossEntropy(network.logits(hidden, fromArray(rows)), fromArray(rows.map((row) => labels[row]!)))
