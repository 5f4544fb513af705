import { checkArguments } from '../arguments.js'
import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import {
  ArgumentError,
  checkDType,
  checkFinite,
  checkFloatName,
  checkInteger,
  checkRank,
} from '../tensor/check.js'
import { empty, type Tensor } from '../tensor/tensor.js'

interface Options {
  channels: number
  maxPeriod: number
  dtype: 'f32' | 'bf16'
}

const op = defineOp({
  name: 'timestep_embedding',
  forward({ t }: { t: Tensor }, { channels, maxPeriod, dtype }: Options) {
    checkDType('t', t, 'f32')
    checkRank('t', t, 1)
    checkInteger('channels', channels, 1)
    checkFloatName('dtype', dtype)
    checkFinite('maxPeriod', maxPeriod)
    if (maxPeriod <= 0) throw new ArgumentError('maxPeriod', 'be a positive number', maxPeriod)
    const y = empty([t.size(0), channels], dtype)
    native.timestep_embedding(y.handle, t.handle, maxPeriod)
    return { output: y, saved: {} }
  },
  backward: 'none',
})

/**
 * The sinusoidal embedding of diffusion timesteps: with h = floor(C / 2) and f_i = maxPeriod^(-i / h), y[n, i] =
 * cos(t[n] f_i) and y[n, h + i] = sin(t[n] f_i); the last column of an odd C is zero.
 *
 * t [N] f32, in timesteps (fractions allowed) -> y [N, C], C = channels, of `options.dtype`, f32 by default; maxPeriod
 * is 10000 by default. It has no derivative, for t is never learnt. Source: Ho et al. 2020, in the order cos, sin of its
 * common implementations.
 * @throws ArgumentError unless t is [N] f32 and maxPeriod above 0; reading y rejects when a timestep is negative or not
 *   finite
 */
export function timestepEmbedding(
  t: Tensor,
  channels: number,
  options: { maxPeriod?: number; dtype?: 'f32' | 'bf16' } = {},
): Tensor {
  checkArguments('timestep_embedding', { options: [options, 'options'] })
  const { maxPeriod = 10000, dtype = 'f32' } = options
  return op({ t }, { channels, maxPeriod, dtype })
}
