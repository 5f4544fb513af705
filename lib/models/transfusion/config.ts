import { z } from 'zod'

/** Names the type of model in configs and in the folders of models. */
export const transfusionName = 'transfusion'

const count = z.int().positive()

const unetSchema = z.strictObject({
  /** Channels of each level, from the finest; each level is half as high and wide as the one before it. */
  channels: z.array(count).min(1).max(6),
  /** Residual blocks on each level, on the way down and again on the way up. */
  blocks: count.default(1),
  /** Heads of the attention over the positions of the lowest level; they divide its channels. */
  heads: count.default(4),
  /** Side, in pixels, of the blocks of pixels that become channels before the first convolution; 1: none. */
  stem: count.default(1),
})
/** Sizes of a U-Net patch encoder and decoder, defaults filled in. @useDeclaredType */
export type UNetConfig = z.output<typeof unetSchema>

/** What positions of images may have weights of their own for; each has what those before it have. */
export const imageWeights = ['shared', 'feed-forward', 'all'] as const
/** What positions of images have weights of their own for. */
export type ImageWeights = (typeof imageWeights)[number]

/** Whether images have an offset of BOI's output row of their own; in the order of {@link imageWeights}. */
export const boiRows = ['shared', 'own'] as const

const imageSchema = z.strictObject({
  /** Values per pixel (or per latent position, where a VAE stands before the model). */
  channels: count,
  /** Side of a patch in pixels; a patch vector has patch^2 * channels values. */
  patch: count,
  /**
   * Where the timestep joins the patches: added to each patch vector before the linear layer (the paper, section
   * 3), or to its output.
   */
  timestep: z.enum(['before', 'after']).default('before'),
  /**
   * How the model knows where a patch stands in its image. 'rotary': by the three axes of the rotary embedding
   * (sequence, row, column) alone. 'sincos': besides, a sinusoidal embedding of row and column is added to each
   * patch's vector. The paper is silent: our choice.
   */
  positions: z.enum(['rotary', 'sincos']).default('rotary'),
  /** Whether the patches of an image see each other, or each those before it alone, as text does (table 5). */
  attention: z.enum(['bidirectional', 'causal']).default('bidirectional'),
  /**
   * What positions of images have weights of their own for, beside the text's: nothing; each block's feed-forward and its
   * norm; or all of the transformer (LMFusion, arXiv 2412.15188). Attention sees all positions in any case, and a step has the
   * same FLOPs. BOI and EOI are text.
   */
  weights: z.enum(imageWeights).default('shared'),
  /**
   * Whether images have an offset of their own [1, C], at first 0, that is added to BOI's row of the output matrix: by it a
   * model whose text is frozen learns when to begin an image, and no other token's logit changes. Our choice.
   */
  boi: z.enum(boiRows).default('shared'),
  /**
   * U-Net blocks between the pixels and the transformer instead of linear layers (section 3); the timestep then goes
   * into them. A position of the lowest level is a patch.
   */
  unet: unetSchema.optional(),
  /**
   * K: images are tokens, the codes of a VQ-VAE in one vocabulary with the text, in raster order between BOI and EOI, and learnt
   * by the same loss (Chameleon, arXiv 2405.09818; the paper's baseline); a position is a code, so that `channels` and
   * `patch` are 1. By default images are patches that are denoised.
   */
  codes: count.optional(),
  /** The size, in pixels or positions of a latent, of an image that the model decides to generate. */
  height: count,
  /** See height; both are multiples of the patch. */
  width: count,
})

const scaling = {
  /** How many times longer contexts become. */
  factor: z.number().min(1),
  /** Positions of the contexts that it was trained on before. */
  originalContext: count,
}

/** Frequencies changed for longer contexts, as by the Hugging Face models of these names; `ropeFrequencies` has the formulas. */
const ropeScalingSchema = z.discriminatedUnion('type', [
  /** All frequencies divided by the factor. */
  z.strictObject({ type: z.literal('linear'), factor: scaling.factor }),
  /** Each frequency divided by a number of its own, as a GGUF of Llama 3 says. */
  z.strictObject({
    type: z.literal('divided'),
    /** Half as many numbers as a head has elements. */
    by: z.array(z.number().positive()).min(1),
  }),
  /** Frequencies as they are up to the original context; what transformers changes in longer texts, by their length, is not done. */
  z.strictObject({ type: z.literal('dynamic'), ...scaling }),
  /** Low frequencies divided by the factor, high ones kept, as in Llama 3.1. */
  z.strictObject({
    type: z.literal('llama3'),
    ...scaling,
    /** Turns within the original context up to which a frequency is divided by the factor. */
    lowFrequencyFactor: z.number().positive().default(1),
    /** Turns within the original context from which on it is kept; more than the low factor. */
    highFrequencyFactor: z.number().positive().default(4),
  }),
  /** Frequencies divided or kept by how often they turn within the original context, and scores scaled (YaRN). */
  z.strictObject({
    type: z.literal('yarn'),
    ...scaling,
    /** Turns within the original context from which on a frequency is kept. */
    betaFast: z.number().positive().default(32),
    /** Turns up to which it is divided by the factor. */
    betaSlow: z.number().positive().default(1),
    /** Whether the pairs between the two begin and end at whole numbers. */
    truncate: z.boolean().default(true),
    /** Of cosines and sines; by default 0.1 ln(factor) + 1. */
    attentionFactor: z.number().positive().optional(),
  }),
])

/** What images have weights of their own for. */
export type OwnWeights = Pick<z.output<typeof imageSchema>, 'weights' | 'boi'>

/** The keys of {@link transfusionConfigSchema}. */
const configShape = z.strictObject({
  /** V, the special tokens included. */
  vocabulary: count,
  /** Ids of the special tokens; without `bos` a document begins with its first part. */
  tokens: z.strictObject({
    bos: z.int().min(0).optional(),
    end: z.int().min(0),
    boi: z.int().min(0),
    eoi: z.int().min(0),
    /** Of the codes of images: that of the first, which the others follow, or that of each. */
    codes: z.union([z.int().min(0), z.array(z.int().min(0)).min(1)]).optional(),
  }),
  /** Transformer blocks. */
  layers: count,
  /** C, the model's width. */
  channels: count,
  /** H, query heads. */
  heads: count,
  /** G, heads of keys and values; by default as many as `heads`. */
  kvHeads: count.optional(),
  /** F, the width inside SwiGLU; by default 8/3 of `channels`, rounded up to a multiple of 256, as in Llama. */
  feedForward: count.optional(),
  /** D, the size of a head, an even number; by default channels / heads. */
  headSize: z.int().positive().multipleOf(2).optional(),
  /** Biases of attention: qkv, of queries, keys and values, as in Qwen2, or all, of its output too; by default none. */
  attentionBias: z.enum(['qkv', 'all']).optional(),
  /**
   * Whether queries and keys are normalised in each head before they are rotated: by an RMSNorm, as in Qwen3, or, 'layer', by a
   * layer norm with weights and biases of each head's own, as in Chameleon; by default not.
   */
  qkNorm: z.union([z.boolean(), z.literal('layer')]).optional(),
  /**
   * Where the norms of attention and feed-forward stand: before them, as in Llama, or after them, before the residual sum, as
   * in Swin Transformer v2 and Chameleon's 34B; by default before.
   */
  normOrder: z.enum(['pre', 'post']).optional(),
  /** Blocks, from 0, in which queries and keys are not rotated, as in SmolLM3; by default none. */
  unrotatedLayers: z.array(z.int().min(0)).optional(),
  /** Base of the rotary frequencies, Llama 2's. */
  ropeTheta: z.number().positive().default(10_000),
  /** How rotary frequencies are changed for contexts longer than those trained on; by default they are not. */
  ropeScaling: ropeScalingSchema.optional(),
  /** Added to the mean of the squares in RMSNorm, as in Llama. */
  normEps: z.number().positive().default(1e-5),
  /** The images that it reads and generates. */
  image: imageSchema,
})

/** Everything that determines a model's parameters and what they mean. */
export const transfusionConfigSchema = configShape.superRefine((config, context) => {
  const problem = (path: string, message: string) =>
    context.addIssue({ code: 'custom', path: path.split('.'), message })
  if (config.headSize === undefined && config.channels % (2 * config.heads) !== 0)
    problem(
      'channels',
      `expected a multiple of twice the heads (${2 * config.heads}): rotary pairs need an even head size`,
    )
  if (config.kvHeads !== undefined && config.heads % config.kvHeads !== 0)
    problem('kvHeads', `expected a divisor of the heads (${config.heads})`)
  if (config.unrotatedLayers?.some((layer) => layer >= config.layers))
    problem('unrotatedLayers', `expected numbers below that of the layers (${config.layers})`)
  const { ropeScaling: scaling } = config
  if (scaling?.type === 'llama3' && scaling.highFrequencyFactor <= scaling.lowFrequencyFactor)
    problem('ropeScaling.highFrequencyFactor', 'expected more than the lowFrequencyFactor')
  if (scaling?.type === 'divided' && scaling.by.length !== headSizeOf(config) / 2)
    problem('ropeScaling.by', `expected ${headSizeOf(config) / 2} numbers, half the head size`)
  if (scaling?.type === 'yarn' && config.ropeTheta <= 1)
    problem('ropeTheta', 'expected more than 1: yarn scales frequencies that fall')
  for (const [name, ids] of Object.entries(config.tokens))
    if ([ids].flat().some((id) => id !== undefined && id >= config.vocabulary))
      problem(`tokens.${name}`, `expected an id below the vocabulary's size (${config.vocabulary})`)
  for (const [path, message] of codeProblems(config)) problem(path, message)
  for (const side of ['height', 'width'] as const)
    if (config.image[side] % config.image.patch !== 0)
      problem(`image.${side}`, `expected a multiple of the patch size (${config.image.patch})`)
  const { unet, patch } = config.image
  if (unet && patch !== unet.stem * 2 ** (unet.channels.length - 1))
    problem(
      'image.patch',
      `expected ${unet.stem * 2 ** (unet.channels.length - 1)}: the U-Net's stem of ${unet.stem}, doubled by each of ` +
        `its ${unet.channels.length} levels but the first`,
    )
  if (unet && unet.channels.at(-1)! % unet.heads !== 0)
    problem('image.unet.heads', `expected a divisor of the lowest level's ${unet.channels.at(-1)} channels`)
  if (config.image.positions === 'sincos' && config.channels % 4 !== 0)
    problem('channels', 'expected a multiple of 4: the embeddings of row and column share the channels')
})

/** As written by a user, defaults left out. @useDeclaredType */
export type TransfusionOptions = z.input<typeof transfusionConfigSchema>
/** The sizes of a model, defaults filled in. @useDeclaredType */
export type TransfusionConfig = z.output<typeof transfusionConfigSchema>

/** What does not fit together where images are codes: paths and messages. */
function codeProblems({
  vocabulary,
  tokens,
  image,
}: Pick<z.output<typeof configShape>, 'vocabulary' | 'tokens' | 'image'>): [path: string, message: string][] {
  const { codes, unet, weights, boi } = image
  if (codes === undefined)
    return tokens.codes === undefined
      ? []
      : [['image.codes', 'expected their number, as tokens.codes has ids of them']]
  const problems: [boolean, string, string][] = [
    [image.channels !== 1, 'image.channels', 'expected 1: a position is a code'],
    [image.patch !== 1, 'image.patch', 'expected 1: a position is a code'],
    [unet !== undefined, 'image.unet', 'expected none beside image.codes, which are tokens'],
    [weights !== 'shared', 'image.weights', 'expected "shared" beside image.codes, which are tokens'],
    [boi !== 'shared', 'image.boi', 'expected "shared" beside image.codes, which are tokens'],
    [tokens.codes === undefined, 'tokens.codes', 'expected the ids of the codes'],
  ]
  if (typeof tokens.codes === 'number')
    problems.push([
      tokens.codes + codes > vocabulary,
      'tokens.codes',
      `expected at most ${vocabulary - codes}, as ${codes} codes follow it in a vocabulary of ${vocabulary}`,
    ])
  else if (tokens.codes)
    problems.push([
      new Set(tokens.codes).size !== codes || tokens.codes.length !== codes,
      'tokens.codes',
      `expected ${codes} different ids, one of each code`,
    ])
  return problems.flatMap(([isWrong, path, message]) => (isWrong ? [[path, message]] : []))
}

/** A vocabulary and its special tokens with the codes of images, where these are tokens, behind all others. */
export const withCodes = <Tokens extends object>(
  vocabulary: number,
  tokens: Tokens,
  codes: number | undefined,
): { vocabulary: number; tokens: Tokens & { codes?: number } } =>
  codes === undefined
    ? { vocabulary, tokens }
    : { vocabulary: vocabulary + codes, tokens: { ...tokens, codes: vocabulary } }

export const feedForwardOf = ({ channels, feedForward }: TransfusionConfig): number =>
  feedForward ?? Math.ceil((channels * 8) / 3 / 256) * 256

/** D, the size of a head. */
export const headSizeOf = ({ channels, heads, headSize }: TransfusionConfig): number =>
  headSize ?? channels / heads
