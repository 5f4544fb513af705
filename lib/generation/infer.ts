import { noGrad } from '../autograd/tape.js'
import { Job } from '../tensor/job.js'
import { scope } from '../tensor/scope.js'

/** Runs `body`, which must be synchronous, in a job and a scope of its own, and keeps nothing for a backward pass. */
export const infer = <R>(job: Job, body: () => R): R => job.run(() => noGrad(() => scope(body)))
