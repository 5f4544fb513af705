import { joinValues } from '../../image/codec.js'
import { concat } from '../../ops/concat.js'
import { gatherRows } from '../../ops/gather_rows.js'
import { fence } from '../../tensor/device.js'
import type { Job } from '../../tensor/job.js'
import { keep } from '../../tensor/scope.js'
import { fromArray, type Tensor } from '../../tensor/tensor.js'
import { decodeImages } from './image_decoding.js'
import { denoiseImages } from './image_denoising.js'
import { type DenoisingState, ImageStates } from './image_states.js'
import { infer } from './infer.js'
import type { GenerativeNetwork } from '../model.js'
import { denoisingKindOf, makeModelBatch, type ModelBatch, tensorsOfBatch } from './model_batch.js'
import type { SequenceCache } from './sequence_cache.js'
import type { StepOutput } from './step_input.js'
import { type DenoisingRequest, isDenoising, type ScheduledRequest } from './scheduled_request.js'
import { type SampledTokens, TokenSampler } from './token_sampler.js'

/** A step whose call of the network is enqueued. */
export interface EngineStep {
  readonly requests: readonly ScheduledRequest[]
  readonly job: Job
  /** In the order of the requests; rejects where the call fails. */
  readonly outputs: Promise<StepOutput[]>
}

type Outputs = ReadonlyMap<ScheduledRequest, StepOutput>

/** Waits for values from the device and writes them into the outputs that they belong to. */
type Read = (outputs: Outputs) => Promise<void>

/**
 * Runs steps: one call of the network each, for any number of generations, and what follows it: the sampling of tokens, and
 * a denoising step of the images.
 */
export class ModelRunner {
  readonly #network: GenerativeNetwork
  readonly #cache: SequenceCache
  readonly #images: ImageStates
  readonly #tokens: TokenSampler
  /** The last batch, kept while the same images are denoised step after step. */
  #kept: { batch: ModelBatch; starts: readonly number[]; slots: number } | undefined

  constructor(network: GenerativeNetwork, cache: SequenceCache) {
    this.#network = network
    this.#cache = cache
    this.#images = new ImageStates(network.config.image)
    this.#tokens = new TokenSampler(network)
  }

  /** Enqueues a step. Throws what enqueuing throws; the generations of the step cannot go on then. */
  enqueue(job: Job, requests: readonly ScheduledRequest[]): EngineStep {
    let step: EngineStep | undefined
    infer(job, this.#network.device, () => {
      const kv = this.#cache.tensors()
      const batch = this.#batchOf(requests)
      const { denoising } = batch
      const starting = denoising.flatMap(({ generation, input }) => (input.step === 0 ? [generation] : []))
      const owners = denoising.map(({ generation }) => generation)
      const before = denoising.length > 0 ? this.#images.before(owners, starting) : undefined
      const images = this.#networkImages(batch, before?.x)
      const metadata = { ...batch.metadata, ids: this.#tokens.fillPlaceholders(batch) }
      const output = this.#network.forward(metadata, images, { kv, slots: batch.slots })
      const after =
        before &&
        denoiseImages(
          batch,
          this.#network.imagePrediction(output, batch.denoisingMetadata),
          before,
          this.#network.config.image,
        )
      const tokens = this.#tokens.sample(batch, output.hidden)
      const reads = [
        ...(tokens ? [readTokens(tokens)] : []),
        ...(after ? this.#readImages(denoising, after) : []),
      ]
      const outputs = readOutputs(requests, reads)
      // Nobody awaits it where enqueuing fails further on.
      outputs.catch(() => {})
      for (const { sequence, end } of batch.extensions) sequence.cursor = end
      for (const { generation, input } of requests) generation.onEnqueued(input)
      if (after) this.#images.update(owners, after)
      this.#images.freeUnused()
      this.#keepBatch(batch)
      this.#tokens.keepForNextStep(tokens)
      // Not returned: the scope would search all of it for tensors.
      step = { requests, job, outputs }
    })
    return step!
  }

  /** Frees what is kept between steps. */
  [Symbol.dispose](): void {
    this.#images[Symbol.dispose]()
    this.#tokens[Symbol.dispose]()
    this.#freeBatch()
  }

  /** A new batch; or the last one with its new t, where nothing else differs. */
  #batchOf(requests: readonly ScheduledRequest[]): ModelBatch {
    const kept = this.#kept
    if (
      kept &&
      kept.slots === this.#cache.slots &&
      kept.batch.requests.length === requests.length &&
      requests.every((request, i) => repeats(request, kept.batch.requests[i]!)) &&
      kept.batch.extensions.every(({ sequence }, i) => sequence.start === kept.starts[i])
    ) {
      const byGeneration = new Map(
        requests.filter(isDenoising).map((request) => [request.generation, request]),
      )
      const denoising = kept.batch.denoising.map(({ generation }) => byGeneration.get(generation)!)
      return { ...kept.batch, requests, denoising }
    }
    return makeModelBatch(requests, this.#network.config, this.#cache.slots)
  }

  #keepBatch(batch: ModelBatch): void {
    if (this.#kept?.batch.slots === batch.slots) return
    this.#freeBatch()
    if (!batch.isRepeatable) return
    tensorsOfBatch(batch).forEach(keep)
    const starts = batch.extensions.map(({ sequence }) => sequence.start)
    this.#kept = { batch, starts, slots: this.#cache.slots }
  }

  #freeBatch(): void {
    if (this.#kept) for (const tensor of tensorsOfBatch(this.#kept.batch)) tensor.free()
    this.#kept = undefined
  }

  /** The images that the network reads, in the order of the batch; `x` [N, values]: those that are denoised. */
  #networkImages({ denoising, guided, committed, promptImages }: ModelBatch, x: Tensor | undefined) {
    const { channels } = this.#network.config.image
    const count = denoising.length + guided + committed.length + promptImages.length
    if (count === 0) return undefined
    const t = new Float32Array(count)
    denoising.forEach(({ generation, input }, i) => {
      t[i] = generation.request.imageSampling.steps[input.step]!.t
      if (i < guided) t[denoising.length + i] = t[i]!
    })
    const pieces = [
      ...(x ? [x] : []),
      ...(x && guided > 0 ? [x.view([guided, this.#images.values])] : []),
      ...(committed.length > 0 ? [this.#images.x(committed)] : []),
      ...(promptImages.length > 0 ? [fromArray(joinValues(promptImages))] : []),
    ].map((piece) => piece.view([-1, channels]))
    return { values: pieces.length > 1 ? concat(pieces, 0) : pieces[0]!, t: fromArray(t) }
  }

  /** Reads and decodes the finished images, and the previews. */
  #readImages(denoising: readonly DenoisingRequest[], { x, x0 }: DenoisingState): Read[] {
    const { image } = this.#network.config
    const read = (from: Tensor, isWanted: (request: DenoisingRequest) => boolean): Read[] => {
      const wanted = denoising.filter(isWanted)
      if (wanted.length === 0) return []
      const rows = Int32Array.from(wanted, (request) => denoising.indexOf(request))
      const values = readLater(gatherRows(from, fromArray(rows)).readFloats())
      return [async (outputs) => decodeImages(wanted, await values, image, outputs)]
    }
    return [...read(x, ({ input }) => input.isLast), ...read(x0, ({ input }) => input.preview)]
  }
}

function readTokens({ ids, requests }: SampledTokens): Read {
  const values = readLater(ids.readInts())
  return async (outputs) => {
    const tokens = await values
    requests.forEach((request, i) => (outputs.get(request)!.token = tokens[i]!))
  }
}

/** A read whose rejection is not an unhandled one where enqueuing fails further on and nobody awaits it. */
function readLater<Values>(values: Promise<Values>): Promise<Values> {
  values.catch(() => {})
  return values
}

/** The outputs of a step, once it has run. */
async function readOutputs(
  requests: readonly ScheduledRequest[],
  reads: readonly Read[],
): Promise<StepOutput[]> {
  const outputs = new Map(requests.map((request) => [request, {} as StepOutput]))
  await (reads.length > 0 ? Promise.all(reads.map((read) => read(outputs))) : fence())
  return [...outputs.values()]
}

/** Whether a request denoises the same image as in the step before, and by the same kind of call. */
const repeats = (request: ScheduledRequest, before: ScheduledRequest): boolean =>
  request.generation === before.generation &&
  isLaterDenoising(request) &&
  isLaterDenoising(before) &&
  denoisingKindOf(request) === denoisingKindOf(before)

/** Whether a request denoises, but for the first step of an image, which appends BOI too. */
const isLaterDenoising = (request: ScheduledRequest): request is DenoisingRequest =>
  isDenoising(request) && request.input.step > 0
