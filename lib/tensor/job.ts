import { native } from '../native.js'

let current = 0

/**
 * Work that can be cancelled as one: a generation, say. Ops enqueued in `run` belong to the job; after `cancel`
 * those that have not started are dropped, and reading what they would have written rejects.
 */
export class Job {
  readonly #id = native.create_job()

  /** Runs `body`, which must be synchronous, with its ops in this job. */
  run<R>(body: () => R): R {
    const outer = current
    current = this.#id
    native.set_job(current)
    try {
      return body()
    } finally {
      current = outer
      native.set_job(outer)
    }
  }

  /** Drops its ops that have not begun; reading what they would have made rejects. */
  cancel(): void {
    native.cancel_job(this.#id)
  }

  /** Forgets the job; ops already enqueued still belong to it. */
  [Symbol.dispose](): void {
    native.release_job(this.#id)
  }
}
