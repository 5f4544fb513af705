import { backward } from '../../../lib/autograd/tape.js'
import { uploadAttentionMetadata } from '../../../lib/nn/attention_metadata.js'
import type { TransfusionNetwork } from '../../../lib/models/transfusion/model.js'
import { crossEntropy } from '../../../lib/ops/cross_entropy.js'
import { mean } from '../../../lib/ops/reduce.js'
import { buildMetadata, sequenceStart } from '../../../lib/sequence/metadata.js'
import { scope } from '../../../lib/tensor/scope.js'
import { fromArray } from '../../../lib/tensor/tensor.js'

/** Logits [T, V] of a text alone in a sequence; with `loss` the mean cross-entropy of its next tokens, run backward. */
export async function trainedText(
  network: TransfusionNetwork,
  ids: Int32Array,
  withLoss = true,
): Promise<{ logits: Float32Array; loss: number | undefined }> {
  const rows = Int32Array.of(0, ids.length)
  const spans = [{ type: 'text' as const, ids: [...ids] }]
  const layout = {
    ...buildMetadata([{ spans, start: sequenceStart, keyStart: 0 }], network.config.image),
    queryRows: rows,
    keyRows: rows,
  }
  if (withLoss) void network.arena.gradients
  const tensors = scope(() => {
    const { hidden } = network.forward(uploadAttentionMetadata(layout, network.config.image))
    const logits = network.logits(hidden, fromArray(Int32Array.from(ids.keys())))
    if (!withLoss) return { logits, loss: undefined }
    const predicting = network.logits(hidden, fromArray(Int32Array.from(ids.keys()).subarray(0, -1)))
    const loss = mean(crossEntropy(predicting, fromArray(ids.slice(1))))
    backward(loss)
    return { logits, loss }
  })
  const [logits, loss] = [await tensors.logits.readFloats(), (await tensors.loss?.readFloats())?.[0]]
  tensors.logits.free()
  tensors.loss?.free()
  return { logits, loss }
}

/** The gradients of the parameters that a language model has too, by name. */
export async function textGradients({ arena }: TransfusionNetwork): Promise<Map<string, Float32Array>> {
  const gradients = new Map<string, Float32Array>()
  for (const { name, tensor } of arena.parameters)
    if (!name.startsWith('patch_')) gradients.set(name, await tensor.gradientTarget!.gradient.readFloats())
  return gradients
}
