import { join } from 'node:path'
import { z } from 'zod'
import { parseConfig } from '../../config/parse.js'
import { checkCheckpointFolder } from '../../files/safetensors/checkpoint_contents.js'
import { readJson } from '../../files/json_file.js'
import { type AutoencoderConfig, autoencoderConfigSchema } from '../autoencoder/config.js'
import { type LlamaConfig, parseLlamaConfig } from '../llama/config.js'

const count = z.int().positive()

/** The VQ-VAE of a Chameleon, taming-transformers' VQGAN, under the names of transformers. */
const vqConfigSchema = z.object({
  base_channels: count,
  channel_multiplier: z.array(count).min(1),
  num_res_blocks: count,
  latent_channels: count,
  embed_dim: count,
  num_embeddings: count,
  resolution: count,
  in_channels: z.literal(3, { error: 'expected 3, of RGB images' }).default(3),
  attn_type: z.literal('vanilla', { error: 'expected "vanilla"' }).default('vanilla'),
  double_latent: z.literal(false, { error: 'expected false: a codebook has no distribution' }).default(false),
  attn_resolutions: z
    .array(count)
    .max(0, { error: 'expected none: attention stands at the lowest resolution alone' })
    .nullish(),
})

const schema = z.object({
  model_type: z.literal('chameleon'),
  vocabulary_map: z.record(z.string(), z.int().min(0)),
  swin_norm: z.boolean().default(false),
  vq_config: vqConfigSchema,
})

/** A Chameleon's config under our names. */
export interface ChameleonConfig {
  /** Of the transformer. */
  readonly text: LlamaConfig
  /** Ids of the special tokens, and that of each code. */
  readonly tokens: { bos: number; end: number; boi: number; eoi: number; codes: number[] }
  /** Of its VQ-VAE. */
  readonly autoencoder: AutoencoderConfig
  /** Side of the images that it was trained on, in codes. */
  readonly side: number
}

/** Whether a folder's config is that of a Chameleon. Throws an Error that says what the path is where it is no folder. */
export async function isChameleon(folder: string): Promise<boolean> {
  await checkCheckpointFolder(folder)
  const json = await readJson(join(folder, 'config.json'), null)
  return (json as { model_type?: unknown } | null)?.model_type === 'chameleon'
}

/** Reads the `config.json` of a Chameleon of transformers. Throws a ConfigError that names each thing that is not supported. */
export async function readChameleonConfig(folder: string): Promise<ChameleonConfig> {
  await checkCheckpointFolder(folder)
  const path = join(folder, 'config.json')
  const json = await readJson(path)
  const { vocabulary_map: ids, swin_norm, vq_config: vq } = parseConfig(schema, json, path)
  // But for its norms a Llama; its tokens are those of the map, whatever the config says of BOS.
  const llama = parseLlamaConfig({ ...(json as object), model_type: 'llama' }, path)
  const idOf = (name: string) => {
    const id = ids[name]
    if (id === undefined) throw new Error(`${path}: vocabulary_map: expected a token ${name}`)
    return id
  }
  const levels = vq.channel_multiplier.length
  return {
    text: { ...llama, qkNorm: 'layer', ...(swin_norm && { normOrder: 'post' as const }) },
    tokens: {
      bos: idOf('<s>'),
      end: idOf('</s>'),
      boi: idOf('<racm3:break>'),
      eoi: idOf('<eoss>'),
      codes: codeIds(ids, vq.num_embeddings, path),
    },
    autoencoder: autoencoderConfigSchema.parse({
      imageChannels: 3,
      channels: vq.channel_multiplier.map((factor) => factor * vq.base_channels),
      blocks: vq.num_res_blocks,
      latentChannels: vq.latent_channels,
      codebook: { codes: vq.num_embeddings, channels: vq.embed_dim },
    }),
    side: vq.resolution / 2 ** (levels - 1),
  }
}

/**
 * The token of each code: names are IMGIMG, the decimal digits of the code as letters from A for 0, and Z, so that IMGIMGBAZ is
 * code 10.
 */
function codeIds(ids: Readonly<Record<string, number>>, codes: number, path: string): number[] {
  return Array.from({ length: codes }, (_, code) => {
    const letters = Array.from(String(code), (digit) => String.fromCodePoint(65 + Number(digit))).join('')
    const id = ids[`IMGIMG${letters}Z`]
    if (id === undefined)
      throw new Error(`${path}: vocabulary_map: expected a token IMGIMG${letters}Z, of code ${code}`)
    return id
  })
}
