/** Between images and the transformer: a patch encoder before it, a patch decoder behind it. */
import type { ComputeType } from '../../nn/arena.js'
import { add } from '../../ops/add.js'
import { cast } from '../../ops/cast.js'
import { concat } from '../../ops/concat.js'
import { timestepEmbedding } from '../../ops/timestep_embedding.js'
import type { Tensor } from '../../tensor/tensor.js'
import type { TransfusionConfig } from './config.js'
import type { AttentionMetadata } from '../../nn/attention_metadata.js'

/** Images as the model reads them. */
export interface ModelImages {
  /** `[S, image channels]` f32: the values of all images, as the codec encodes them, noised to t. */
  values: Tensor
  /** [N] f32: the timestep of each image, 0 .. T. */
  t: Tensor
}

/** What the encoder hands to the decoder for the images of one size, past the transformer. */
export interface ImageSkips {
  /** In pixels, of each of the images. */
  height: number
  /** In pixels, of each of the images. */
  width: number
  /** [n, timestep channels] */
  timestep: Tensor
  /** From the finest level, [n, H, W, its channels] each. */
  levels: readonly Tensor[]
}

/** Images as inputs of the transformer. */
export interface EncodedImages {
  /** [P, C] */
  vectors: Tensor
  /** Empty where the decoder needs none. */
  skips: readonly ImageSkips[]
}

/** How a model computes. */
export interface Computing {
  /** What its ops compute in. */
  compute: ComputeType
  /** Whether blocks are run again for the backward pass instead of being kept. */
  recompute: boolean
}

/** Noisy values to one vector of the transformer for each patch. */
export interface PatchEncoder {
  forward(images: ModelImages, metadata: AttentionMetadata, computing: Computing): EncodedImages
}

/** Vectors of the transformer [P, C] to what the network says of each pixel [S, image channels] f32. */
export interface PatchDecoder {
  forward(
    vectors: Tensor,
    metadata: AttentionMetadata,
    skips: readonly ImageSkips[],
    computing: Computing,
  ): Tensor
}

/** The patches' vectors [P, C] with the embedding of their places, where the model has one. */
export function addPositions(
  vectors: Tensor,
  metadata: AttentionMetadata,
  { channels, image }: TransfusionConfig,
): Tensor {
  if (image.positions === 'rotary') return vectors
  const place = [metadata.patchRow, metadata.patchColumn].map((p) => timestepEmbedding(p, channels / 2))
  return add(vectors, cast(concat(place, 1), vectors.dtype as ComputeType))
}
