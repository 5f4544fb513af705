import { noGrad } from '../../autograd/tape.js'
import { type Device, withDevice } from '../../tensor/device.js'
import type { Job } from '../../tensor/job.js'
import { scope } from '../../tensor/scope.js'

/** Runs `body`, which must be synchronous, on a device, in a job and a scope of its own, without recording gradients. */
export const infer = <R>(job: Job, device: Device, body: () => R): R =>
  job.run(() => withDevice(device, () => noGrad(() => scope(body))))
