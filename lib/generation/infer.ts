import { noGrad } from '../autograd/tape.js'
import { Job } from '../tensor/job.js'
import { scope } from '../tensor/scope.js'

/** Runs `body`, which must be synchronous, in a job and a scope of its own, and keeps nothing for a backward pass. */
export const infer = <R>(job: Job, body: () => R): R => job.run(() => noGrad(() => scope(body)))

/** A job that an abort cancels. */
export class AbortableJob extends Job {
  readonly #signal: AbortSignal | undefined
  readonly #cancel = () => this.cancel()

  constructor(signal: AbortSignal | undefined) {
    super()
    this.#signal = signal
    signal?.addEventListener('abort', this.#cancel, { once: true })
  }

  override [Symbol.dispose](): void {
    this.#signal?.removeEventListener('abort', this.#cancel)
    super[Symbol.dispose]()
  }
}
