/**
 * The engine: one per network. It advances all generations that run in steps, each of them one call of the network: some
 * read their prompts, some add a token, some denoise an image, each with its own options. They start and end between steps.
 *
 *     schedule (scheduler.ts) -> lay out (model_batch.ts) -> enqueue (model_runner.ts) -> read -> events (generation.ts)
 *
 * Async scheduling: a step is enqueued while the one before it runs, so that the device never waits for JavaScript. See
 * `Generation` for what happens to a token that is not read yet.
 */
import type { ImagePart } from '../../sequence/document.js'
import { codeTokensOf } from '../../sequence/code_tokens.js'
import { Job } from '../../tensor/job.js'
import { Generation, type DocumentFormat } from './generation.js'
import type { GenerationListener, GenerationRequest } from './generation_request.js'
import { type Limits, limitsOf } from './limits.js'
import type { GenerativeNetwork } from '../model.js'
import { type EngineStep, ModelRunner } from './model_runner.js'
import { Scheduler } from './scheduler.js'
import { SequenceCache } from './sequence_cache.js'
import type { StepOutput } from './step_input.js'
import type { ScheduledRequest } from './scheduled_request.js'

const engines = new WeakMap<GenerativeNetwork, Engine>()

/** The engine of a network. */
export function engineOf(network: GenerativeNetwork): Engine {
  const engine = engines.get(network) ?? new Engine(network)
  engines.set(network, engine)
  return engine
}

export class Engine {
  readonly #format: DocumentFormat
  readonly #cache: SequenceCache
  readonly #scheduler: Scheduler
  readonly #runner: ModelRunner
  /** Generations that have ended but for images that are still decoded. */
  readonly #decoding = new Set<Generation>()
  #job = new Job()
  #isRunning = false

  constructor(network: GenerativeNetwork, limits: Limits = limitsOf(network)) {
    const { height, width, patch } = network.config.image
    const image: ImagePart = { type: 'image', height, width }
    this.#format = { tokens: network.config.tokens, image, patch, codes: codeTokensOf(network.config) }
    this.#cache = new SequenceCache(network, limits.slots)
    this.#scheduler = new Scheduler(this.#format, limits, this.#cache)
    this.#runner = new ModelRunner(network, this.#cache)
  }

  /** Queues a generation. */
  submit(request: GenerationRequest, listener: GenerationListener): Generation {
    const generation = new Generation(request, this.#format, listener)
    this.#scheduler.add(generation)
    this.wake()
    return generation
  }

  /** Ends a generation; its listener is told so once its memory is freed. */
  cancel(generation: Generation, error: unknown): void {
    if (generation.failure || (generation.done && !generation.decoding)) return
    generation.failure = { error }
    if (this.#scheduler.remove(generation) || this.#decoding.delete(generation))
      return generation.listener.onEnd(generation.failure)
    // What is enqueued is dropped where no other generation needs it.
    if ([...this.#scheduler.running].every(({ failure }) => failure)) this.#job.cancel()
    this.wake()
  }

  /** Runs steps until nothing can be scheduled. To be called when a listener that was full takes events again. */
  wake(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    // In a microtask, so that all that is submitted together starts together.
    queueMicrotask(() => void this.#run())
  }

  async #run(): Promise<void> {
    let earlier: Promise<void> = Promise.resolve()
    let isUnfinished = false
    for (;;) {
      this.#endFinished()
      this.#scheduler.startWaiting()
      const step = this.#enqueueStep()
      if (step) {
        const delivered = this.#deliver(step, earlier)
        // One step may be unfinished while the next is enqueued, unless the next depends on its output.
        await (this.#scheduler.allowsAsync ? earlier : delivered)
        earlier = delivered
        isUnfinished = true
      } else if (isUnfinished) {
        await earlier
        isUnfinished = false
      } else break
    }
    // Nothing runs, or all that runs waits for its listeners.
    this.#isRunning = false
  }

  /** Takes out the generations that have ended, frees what they held, and tells their listeners. */
  #endFinished(): void {
    const ended = this.#scheduler.releaseEnded()
    if (this.#scheduler.running.size === 0) this.#reset()
    for (const generation of ended) {
      const { decoding, failure, listener } = generation
      if (failure || !decoding) listener.onEnd(failure)
      else this.#endAfter(decoding, generation)
    }
  }

  /** Tells the listener of the end once the last images are decoded; the next rounds do not wait for them. */
  #endAfter(decoding: Promise<void>, generation: Generation): void {
    this.#decoding.add(generation)
    void decoding.then(() => {
      if (this.#decoding.delete(generation)) generation.listener.onEnd(generation.failure)
    })
  }

  /** Frees what is kept between steps. */
  #reset(): void {
    this.#runner[Symbol.dispose]()
    this.#cache[Symbol.dispose]()
    this.#job[Symbol.dispose]()
    this.#job = new Job()
  }

  /** Enqueues the next step; undefined where nothing can take part in one. */
  #enqueueStep(): EngineStep | undefined {
    for (;;) {
      const requests = this.#scheduler.schedule()
      if (requests.length === 0) return undefined
      try {
        const step = this.#runner.enqueue(this.#job, requests)
        this.#scheduler.releaseUnconditional(requests)
        return step
      } catch (error) {
        const failed = this.#cache.lost
          ? this.#scheduler.running
          : requests.map(({ generation }) => generation)
        for (const generation of failed) generation.failure ??= { error }
        this.#endFinished()
      }
    }
  }

  /** Hands the outputs of a step to its generations, after those of the step before. Never rejects. */
  async #deliver({ requests, job, outputs }: EngineStep, earlier: Promise<void>): Promise<void> {
    const [delivered] = await Promise.allSettled([outputs, earlier])
    if (delivered.status === 'fulfilled')
      requests.forEach((request, i) => this.#receive(request, delivered.value[i]!))
    // A failed kernel marks the cache, so every generation whose keys and values are there fails with the call. Where all
    // were cancelled, those that run now have started since, in another job.
    else if (job === this.#job)
      for (const generation of this.#scheduler.running)
        if (!generation.done) generation.failure ??= { error: delivered.reason }
    this.#endFinished()
  }

  #receive({ generation, input }: ScheduledRequest, output: StepOutput): void {
    if (generation.failure || generation.done) return
    try {
      generation.receive(input, output)
      // It may have waited for its images, or failed with one.
      void generation.decoding?.then(() => this.wake())
    } catch (error) {
      // A tokenizer that cannot decode, for one: the other generations go on.
      generation.failure = { error }
    }
  }
}
