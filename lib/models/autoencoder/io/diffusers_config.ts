/** diffusers' `config.json` of AutoencoderKL and VQModel, read and written. Defaults are those of the classes in 0.42. */
import { z } from 'zod'
import {
  autoencoderConfigSchema,
  type AutoencoderConfig,
  latentChannelsOf,
  normalizationSchema,
} from '../config.js'
import type { LatentScale } from '../../../image/latent_scale.js'
import { parseConfig } from '../../../config/parse.js'

const count = z.int().positive()
const blocksOf = (type: string) =>
  z
    .array(z.literal(type, { error: `expected "${type}": blocks of other types are not supported` }))
    .default([type])

const shared = {
  in_channels: count.default(3),
  out_channels: count.default(3),
  down_block_types: blocksOf('DownEncoderBlock2D'),
  up_block_types: blocksOf('UpDecoderBlock2D'),
  block_out_channels: z.array(count).min(1).default([64]),
  layers_per_block: count.default(1),
  /** Two names of one function. */
  act_fn: z.literal(['silu', 'swish'], { error: 'expected "silu"' }).default('silu'),
  norm_num_groups: count.default(32),
  mid_block_add_attention: z.boolean().default(true),
  scaling_factor: z
    .number()
    .refine((factor) => factor !== 0, 'expected another number than 0')
    .default(0.18215),
}

const klSchema = z.object({
  _class_name: z.literal('AutoencoderKL'),
  ...shared,
  latent_channels: count.default(4),
  shift_factor: z.number().nullish(),
  latents_mean: z.array(z.number()).nullish(),
  latents_std: z.array(z.number().positive()).nullish(),
  use_quant_conv: z.boolean().default(true),
  use_post_quant_conv: z.boolean().default(true),
  /** Whether f16 overflows in it: it is computed in f32 or bf16 here, which do not. */
  force_upcast: z.boolean().default(true),
})

const vqSchema = z.object({
  _class_name: z.literal('VQModel'),
  ...shared,
  latent_channels: count.default(3),
  num_vq_embeddings: count.default(256),
  vq_embed_dim: count.nullish(),
  norm_type: z
    .literal('group', { error: 'expected "group": spatial norms are not supported' })
    .default('group'),
  lookup_from_codebook: z
    .literal(false, { error: 'expected false: a lookup in the decoder is not supported' })
    .default(false),
})

/** Of ours alone: a decoder as AutoencoderKL's, and a frozen network beside it. */
const raeSchema = z.object({
  ...shared,
  _class_name: z.literal('RepresentationAutoencoder'),
  latent_channels: count,
  latents_mean: z.array(z.number()).nullish(),
  latents_std: z.array(z.number().positive()).nullish(),
  use_post_quant_conv: z.boolean(),
  encoder: normalizationSchema.extend({
    /** Of the file encoder.onnx beside this one; absent where the encoder is given in code. */
    checksum: z.string().optional(),
  }),
})

const diffusersConfigSchema = z
  .discriminatedUnion('_class_name', [klSchema, vqSchema, raeSchema])
  .superRefine((config, context) => {
    const problem = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message })
    const levels = config.block_out_channels.length
    for (const types of 'encoder' in config ? [] : (['down_block_types', 'up_block_types'] as const))
      if (config[types].length !== levels)
        problem(types, `expected ${levels}, one for each of block_out_channels`)
    if (config.in_channels !== config.out_channels)
      problem('out_channels', `expected in_channels (${config.in_channels})`)
    if ('num_vq_embeddings' in config) return
    for (const statistic of ['latents_mean', 'latents_std'] as const) {
      const given = config[statistic]
      if (given && given.length !== config.latent_channels)
        problem(statistic, `expected ${config.latent_channels}, one for each of latent_channels`)
    }
  })

/** An autoencoder as its `config.json` describes it. */
export interface AutoencoderDescription {
  readonly config: AutoencoderConfig
  /** Between its latents and what a diffusion model reads. */
  readonly scale: LatentScale
  /** Of the file of a frozen encoder; absent where there is none. */
  readonly encoderChecksum?: string | undefined
}

/** Reads the JSON of a `config.json`; `path` is named in errors. Throws a ConfigError for what is not supported. */
export function readDiffusersConfig(json: unknown, path: string): AutoencoderDescription {
  const given = parseConfig(diffusersConfigSchema, json, path)
  const encoder = 'encoder' in given ? given.encoder : undefined
  const config = parseConfig(
    autoencoderConfigSchema,
    {
      imageChannels: given.in_channels,
      channels: given.block_out_channels,
      blocks: given.layers_per_block,
      latentChannels: given.latent_channels,
      groups: given.norm_num_groups,
      attention: given.mid_block_add_attention,
      ...('num_vq_embeddings' in given
        ? {
            codebook: {
              codes: given.num_vq_embeddings,
              channels: given.vq_embed_dim ?? given.latent_channels,
            },
          }
        : { postQuantConv: given.use_post_quant_conv }),
      ...('use_quant_conv' in given && { quantConv: given.use_quant_conv }),
      ...(encoder && { frozenEncoder: { mean: encoder.mean, std: encoder.std } }),
    },
    `${path}, as an autoencoder config`,
  )
  const channels = latentChannelsOf(config)
  const each = (value: number) => Array<number>(channels).fill(value)
  const { mean, std } =
    'num_vq_embeddings' in given
      ? { mean: each(0), std: each(1) }
      : {
          mean: given.latents_mean ?? each(('shift_factor' in given && given.shift_factor) || 0),
          std: given.latents_std ?? each(1),
        }
  const scale = { mean, std, factor: given.scaling_factor }
  return { config, scale, ...(encoder?.checksum !== undefined && { encoderChecksum: encoder.checksum }) }
}

/** The `config.json` with which diffusers loads an autoencoder, but for one with a frozen encoder. */
export function diffusersConfig(description: AutoencoderDescription): object {
  const { config, scale, encoderChecksum } = description
  const { channels, codebook, frozenEncoder } = config
  const { mean, std, factor } = scale
  const sizes = {
    block_out_channels: channels,
    in_channels: config.imageChannels,
    out_channels: config.imageChannels,
    latent_channels: config.latentChannels,
    layers_per_block: config.blocks,
    mid_block_add_attention: config.attention,
    norm_num_groups: config.groups,
    scaling_factor: factor,
  }
  if (frozenEncoder)
    return {
      _class_name: 'RepresentationAutoencoder',
      ...sizes,
      use_post_quant_conv: config.postQuantConv,
      latents_mean: mean,
      latents_std: std,
      encoder: { ...frozenEncoder, checksum: encoderChecksum },
    }
  const isShift = std.every((value) => value === 1) && mean.every((value) => value === mean[0])
  return {
    _class_name: codebook ? 'VQModel' : 'AutoencoderKL',
    act_fn: 'silu',
    down_block_types: channels.map(() => 'DownEncoderBlock2D'),
    up_block_types: channels.map(() => 'UpDecoderBlock2D'),
    ...sizes,
    ...(codebook
      ? {
          num_vq_embeddings: codebook.codes,
          vq_embed_dim: latentChannelsOf(config),
        }
      : {
          use_quant_conv: config.quantConv,
          use_post_quant_conv: config.postQuantConv,
          shift_factor: isShift && mean[0] !== 0 ? mean[0] : null,
          latents_mean: isShift ? null : mean,
          latents_std: isShift ? null : std,
        }),
  }
}
