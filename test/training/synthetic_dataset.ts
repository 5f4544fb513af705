import { makeCaptionTokenizer } from '../../lib/tokenizer/caption_tokenizer.js'
import { captionedImage, type ImageDataset } from '../../lib/data/sources/image_dataset.js'
import { objectiveSchema } from '../../lib/diffusion/objective.js'
import type { TransfusionOptions } from '../../lib/models/transfusion/config.js'
import type { ModelParts } from '../../lib/models/transfusion/io/folder.js'
import { type Freeze, frozenStorage } from '../../lib/models/transfusion/freeze.js'
import { type LoraSettings, parseLora } from '../../lib/models/transfusion/lora.js'
import { TransfusionNetwork, transfusionParameters } from '../../lib/models/transfusion/model.js'
import type { ComputeType, ParameterArena } from '../../lib/nn/arena.js'
import { uploadAttentionMetadata } from '../../lib/nn/attention_metadata.js'
import { fromArray } from '../../lib/tensor/tensor.js'
import { packDocuments } from '../sequence/pack_documents.js'
import { transfusionTrainingSchema } from '../../lib/models/transfusion/training/options.js'

const captions = ['bars that stand', 'bars that lie', 'a slope']

/** 48 images of 8 x 8: bars and slopes of different places, each with its caption. */
export const dataset: ImageDataset = {
  length: 48,
  classNames: [],
  get(index) {
    const kind = index % 3
    const shift = Math.floor(index / 3)
    const data = Uint8Array.from({ length: 64 }, (_, i) => {
      const [row, column] = [i >> 3, i & 7]
      if (kind === 2) return (row + column) * 9 + shift * 8
      return ((kind === 0 ? column : row) + shift) % 4 < 2 ? 230 : 25
    })
    return captionedImage(captions[kind]!, { height: 8, width: 8, channels: 1, data })
  },
}

export const tokenizer = makeCaptionTokenizer(captions)

export const trainedConfig: TransfusionOptions = {
  vocabulary: tokenizer.vocabularySize,
  tokens: { bos: 1, end: 2, boi: 3, eoi: 4 },
  layers: 2,
  channels: 64,
  heads: 4,
  feedForward: 176,
  image: { channels: 1, patch: 2, height: 8, width: 8 },
}

export function newModel(
  config: TransfusionOptions = trainedConfig,
  compute: ComputeType = 'f32',
  freeze?: Freeze,
  loraSettings?: LoraSettings,
): ModelParts {
  const lora = parseLora(loraSettings, 'lora')
  const fixed = frozenStorage(transfusionParameters(config), { freeze, lora }, 'model: ')
  const network = new TransfusionNetwork(config, compute, undefined, fixed, lora)
  network.arena.initialize(1)
  return { network, tokenizer, objective: objectiveSchema.parse({}) }
}

/** Every parameter's values by name. */
export async function valuesOf(arena: ParameterArena): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>()
  for (const parameter of arena.everyParameter) {
    using tensor = arena.valuesOf(parameter)
    values.set(parameter.name, await tensor.readFloats())
  }
  return values
}

/** The logits after each token of a text. */
export async function textLogits({ network }: Pick<ModelParts, 'network'>): Promise<Float32Array> {
  const packed = packDocuments([{ parts: [{ type: 'text', ids: [5, 6, 7, 8] }] }], {
    patch: 2,
    tokens: network.config.tokens,
  })
  const { hidden } = network.forward(uploadAttentionMetadata(packed, network.config.image))
  return network.logits(hidden, fromArray(Int32Array.from(packed.ids.keys()))).readFloats()
}

export const trainingOptions = (steps: number, batchSize: number) =>
  transfusionTrainingSchema.parse({
    seed: 3,
    steps,
    batchSize,
    learningRate: { peak: 3e-3, final: 1e-4, warmupSteps: 3 },
    ema: 0.9,
  })
