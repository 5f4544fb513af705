import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkDType, checkFinite, checkRank } from '../tensor/check.js'
import { empty, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'code_usage',
  forward({ counts }: { counts: Tensor }, { least }: { least: number }) {
    checkDType('counts', counts, 'f32')
    checkRank('counts', counts, 1)
    checkFinite('least', least)
    const used = empty([1])
    const perplexity = empty([1])
    native.code_usage(used.handle, perplexity.handle, counts.handle, least)
    return { output: [used, perplexity] as const, saved: {} }
  },
  backward: 'none',
})

/**
 * How many codes are used, and how evenly: of counts, those that are at least `least`, and the perplexity exp(-sum p log p)
 * with p = counts / their sum, which is K where all codes are used alike and 1 where one is; 0 where nothing was counted.
 *
 * counts [K] f32, 0 or more -> used and perplexity [1] f32. It has no derivative.
 * @throws ArgumentError unless counts are f32 [K] and `least` is finite
 */
export function codeUsage(counts: Tensor, least = 1): { used: Tensor; perplexity: Tensor } {
  const [used, perplexity] = op({ counts }, { least })
  return { used, perplexity }
}
