import { join } from 'node:path'
import { checkArguments } from '../../../arguments.js'
import { given } from '../../../config/given.js'
import { exists } from '../../../files/exists.js'
import { replaceFiles } from '../../../files/atomic_folder.js'
import { writeJson } from '../../../files/json_file.js'
import { type PendingTensor, writeSafetensors } from '../../../files/safetensors/safetensors.js'
import { elementsOf } from '../../../tensor/shape.js'
import type { LlamaConfig } from '../../llama/config.js'
import { llamaTensors } from '../../llama/tensors.js'
import { generationConfigJson, llamaConfigJson, tokenizerConfigJson } from '../../llama/write_config.js'
import { feedForwardOf, type TransfusionConfig } from '../config.js'
import type { ModelParts } from './folder.js'
import { locateModel } from './locate.js'
import { mergedValues } from '../../../nn/low_rank.js'
import { readAs, type SavedPrecision } from '../../../nn/parameter_values.js'

/**
 * Writes the text part of a model as a Hugging Face Llama, or as the Qwen2, Qwen3, SmolLM3 or Mistral that its config is,
 * which transformers loads with the same logits on text, and `fromPretrained` to the bit (of f32): for text the three axes of our rotary positions are one. The vocabulary stays whole, rows
 * of BOI and EOI included; the image parts are left out. All files or, whatever happens, none are replaced. The weights are
 * those of one step, the last at the call, even while the model is trained. Resolves with what it is: "Llama".
 * @throws Error where no model type of these has what the config says, and where the folder holds a model of ours, or a run that has one, or a `config.json` that does not say what it is
 */
export async function toLlama(
  folder: string,
  { network, tokenizer, chatTemplate }: Pick<ModelParts, 'network' | 'tokenizer' | 'chatTemplate'>,
  precision: SavedPrecision = 'f32',
): Promise<string> {
  checkArguments('toLlama', { folder: [folder, 'string'] })
  using frozen = network.arena.freeze()
  const found = await locateModel(folder).catch(async (cause: Error) => {
    if (await exists(join(folder, 'config.json')))
      throw new Error(`${cause.message}; nothing is written over it: give another folder`, { cause })
    return undefined
  })
  if (found?.kind === 'transfusion')
    throw new Error(
      `${folder}: holds a Transfusion model, which its text part would replace: give another folder`,
    )
  const config = llamaConfigOf(network.config)
  const configJson = llamaConfigJson(config, precision)
  const tensors = new Map<string, PendingTensor>()
  for (const parameter of network.arena.everyParameter) {
    let start = 0
    for (const { name, shape } of llamaTensors(parameter.name, config) ?? []) {
      const offset = start
      const read = async () => {
        using whole = mergedValues(network.arena, frozen.tensor, parameter)
        using part = whole.view(shape, offset)
        return await readAs(part, precision)
      }
      tensors.set(name, { dtype: precision, shape, read })
      start += elementsOf(shape)
    }
  }
  await replaceFiles(folder, async (aside) => {
    // transformers asks for the format.
    await writeSafetensors(join(aside, 'model.safetensors'), tensors, { format: 'pt' })
    await tokenizer.save(join(aside, 'tokenizer.json'))
    await writeJson(
      join(aside, 'tokenizer_config.json'),
      tokenizerConfigJson(tokenizer, config, chatTemplate?.text),
    )
    await writeJson(join(aside, 'generation_config.json'), generationConfigJson(config))
    await writeJson(join(aside, 'config.json'), configJson)
  })
  return configJson.architectures[0]!.replace('ForCausalLM', '')
}

/** The config of the text part as a language model's. */
export function llamaConfigOf(config: TransfusionConfig): LlamaConfig {
  const { tokens, image, attentionBias, qkNorm, normOrder, ...sizes } = config
  const refused = image.codes !== undefined ? 'image.codes' : normOrder === 'post' ? 'normOrder' : undefined
  if (refused !== undefined || qkNorm === 'layer')
    throw new Error(
      `the model has ${refused ?? 'qkNorm "layer"'}, which no language model of these types has`,
    )
  const { heads, kvHeads = heads, headSize, unrotatedLayers, ropeScaling } = sizes
  return {
    ...given({ headSize, unrotatedLayers, ropeScaling }),
    vocabulary: sizes.vocabulary,
    layers: sizes.layers,
    channels: sizes.channels,
    heads,
    kvHeads,
    feedForward: feedForwardOf(config),
    ...(attentionBias && { attentionBias }),
    ...(qkNorm && { qkNorm }),
    ropeTheta: sizes.ropeTheta,
    normEps: sizes.normEps,
    tied: false,
    ...(tokens.bos !== undefined && { bos: tokens.bos }),
    eos: tokens.end,
  }
}
