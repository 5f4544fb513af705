import { objectiveSchema } from '../../lib/diffusion/objective.js'
import { imageSamplingOf } from '../../lib/generation/image_sampling.js'
import { engineOf } from '../../lib/generation/engine/engine.js'
import { generationOptionsSchema } from '../../lib/generation/options.js'
import type { TransfusionNetwork } from '../../lib/models/transfusion/model.js'
import type { TextPart } from '../../lib/sequence/document.js'

/** The ids that a model's engine adds to a prompt of ids, greedily. */
export function completion(
  network: TransfusionNetwork,
  prompt: readonly TextPart[],
  maxTokens: number,
): Promise<number[]> {
  const settings = generationOptionsSchema.parse({ maxTokens, maxImages: 0 })
  const ids: number[] = []
  return new Promise((resolve, reject) => {
    engineOf(network).submit(
      {
        prompt,
        settings,
        codec: undefined,
        imageSampling: imageSamplingOf(settings, objectiveSchema.parse({})),
        imageSeed: () => 0,
        text: { push: (id) => (ids.push(id), { text: '' }), flush: () => ({ text: '' }) },
        client: {},
      },
      {
        isFull: false,
        onEvent: () => {},
        onEnd: (failure) => (failure ? reject(failure.error) : resolve(ids)),
      },
    )
  })
}
