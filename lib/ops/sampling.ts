import { checkArguments } from '../arguments.js'
import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { ArgumentError, checkDType, checkFloat, checkRank, checkShape } from '../tensor/check.js'
import { empty, type Tensor } from '../tensor/tensor.js'

/** An empty tensor for the ids [B] of logits [B, V], which it checks. */
function emptyIds(logits: Tensor): Tensor {
  checkFloat('logits', logits)
  checkRank('logits', logits, 2)
  if (logits.size(1) === 0) throw new ArgumentError('logits', 'have at least one column', logits)
  return empty([logits.size(0)], 'i32')
}

const argmaxOp = defineOp({
  name: 'argmax',
  forward({ logits }: { logits: Tensor }) {
    const ids = emptyIds(logits)
    native.argmax(ids.handle, logits.handle)
    return { output: ids, saved: {} }
  },
  backward: 'none',
})

/**
 * The id of each row's largest logit, of equal ones the lowest.
 *
 * logits [B, V] f32 or bf16 -> ids [B] i32. It has no derivative.
 * @throws ArgumentError unless the logits are [B, V] with V above 0; reading rejects when a row holds NaN or +infinity
 *   (-infinity is an excluded token)
 */
export const argmax = (logits: Tensor): Tensor => argmaxOp({ logits }, {})

/** How tokens are sampled from logits [B, V]. */
export type SamplingOptions = {
  /** [V] f32, added to every row: -Infinity excludes a token. */
  bias?: Tensor | undefined
  /** [B] f32, at least 0; 0 takes the most probable token. */
  temperature: Tensor
  /** [B] i32: samples among so many most probable tokens; 0: among all. */
  topK: Tensor
  /** [B] f32 in (0, 1]: of these, among the fewest that hold this share of their probability; 1: among all. */
  topP: Tensor
  /** [B] f32 in 0..1: of these, among those at least so many times as probable as the most probable; 0: among all. */
  minP: Tensor
  /** [B, 4] i32: key and stream of Philox4x32-10, one sample for each seed. */
  seeds: Tensor
}

const sampleOp = defineOp({
  name: 'sample_tokens',
  optional: ['bias'],
  forward({ logits, bias, temperature, topK, topP, minP, seeds }: SamplingOptions & { logits: Tensor }) {
    const ids = emptyIds(logits)
    const [B, V] = logits.shape as [number, number]
    if (bias) {
      checkDType('bias', bias, 'f32')
      checkShape('bias', bias, [V])
    }
    checkDType('temperature', temperature, 'f32')
    checkShape('temperature', temperature, [B])
    checkDType('topK', topK, 'i32')
    checkShape('topK', topK, [B])
    checkDType('topP', topP, 'f32')
    checkShape('topP', topP, [B])
    checkDType('minP', minP, 'f32')
    checkShape('minP', minP, [B])
    checkDType('seeds', seeds, 'i32')
    checkShape('seeds', seeds, [B, 4])
    native.sample_tokens(
      ids.handle,
      logits.handle,
      bias?.handle,
      temperature.handle,
      topK.handle,
      topP.handle,
      minP.handle,
      seeds.handle,
    )
    return { output: ids, saved: {} }
  },
  backward: 'none',
})

/**
 * Samples a token for each row of logits: p ~ exp((logits + bias) / temperature), cut to the top k, then to the top p of
 * what they hold together, then to those of at least min p times the highest probability. A row's token depends on its
 * own logits, options and seed alone.
 *
 * logits [B, V] f32 or bf16, `options` as {@link SamplingOptions} says -> ids [B] i32. It has no derivative.
 * @throws ArgumentError unless shapes and dtypes are these; reading rejects when an option is out of range, when a row
 *   holds NaN or +infinity, or when all of its tokens are excluded
 */
export const sampleTokens = (logits: Tensor, options: SamplingOptions): Tensor => {
  checkArguments('sample_tokens', { options: [options, 'object'] })
  const { bias, temperature, topK, topP, minP, seeds } = options
  return sampleOp({ logits, bias, temperature, topK, topP, minP, seeds }, {})
}
