/** What a model gives to the engine; a model implements it by its shape alone, without an import. */
import type { Objective } from '../diffusion/objective.js'
import type { ImageCodec } from '../image/codec.js'
import type { ImageSize } from '../image/image.js'
import type { ImagePreprocessingOptions } from '../image/image_preprocessing.js'
import type { AttentionMetadata } from '../nn/attention_metadata.js'
import type { CacheUse, KvCache } from '../nn/kv_cache.js'
import type { SpecialTokens } from '../sequence/document.js'
import type { Device } from '../tensor/device.js'
import type { Tensor } from '../tensor/tensor.js'
import type { ChatTemplate } from '../tokenizer/chat_template.js'
import type { JsonTokenizer } from '../tokenizer/tokenizer.js'

/** The images that a network reads and generates. */
export interface GenerativeImages extends ImageSize {
  /** Values per pixel. */
  readonly channels: number
  /** Side of a patch in pixels; a patch is one position. */
  readonly patch: number
  /** Whether the patches of an image see each other, or each those before it alone, as text does. */
  readonly attention: 'bidirectional' | 'causal'
  /** Present where convolutions read the images. */
  readonly unet?: object | undefined
  /** What positions of images have weights of their own for; absent: nothing. */
  readonly weights?: 'shared' | 'feed-forward' | 'all'
  /** K, where images are tokens, the codes of a VQ-VAE: a position is a code. Absent: images are patches, which are denoised. */
  readonly codes?: number | undefined
}

/** The sizes and tokens by which sequences are laid out for a network. */
export interface GenerativeConfig {
  /** V, the special tokens included. */
  readonly vocabulary: number
  /** Ids of the tokens that frame documents and images. */
  readonly tokens: SpecialTokens
  /** Height and width are those of an image that the network generates; it reads images of other sizes too. */
  readonly image: GenerativeImages
}

/** What `forward` returns: a network may add what its own `imagePrediction` needs. */
export interface NetworkOutput {
  /** `[T, C]`: the last layer's output at every position. */
  readonly hidden: Tensor
}

/** A network that extends sequences of text tokens and image patches. T positions, N images, S positions of all images. */
export interface GenerativeNetwork {
  /** Its vocabulary, special tokens and images. */
  readonly config: GenerativeConfig
  /** Where it runs; what it is given must lie there. */
  readonly device: Device
  /** Bytes of the keys and values of one position in a cache: what bounds the cache. */
  readonly cacheBytesPerPosition: number
  /** Floats that live at once for each position of a call: what logits are weighed against. */
  readonly activationsPerPosition: number

  /** Keys and values of `slots` positions for all layers, zeros at first. */
  createCache(slots: number): KvCache

  /**
   * Runs the network on the positions that `metadata` describes. `images`: values [S, channels] f32 noised to their t
   * [N] f32, 0 for a clean image; may be absent where the call has none. With a cache the keys and values of the call's
   * positions are written to it, and attention sees the cache.
   */
  forward(
    metadata: AttentionMetadata,
    images?: { values: Tensor; t: Tensor },
    cache?: CacheUse,
  ): NetworkOutput

  /** Logits [R, V] f32 of the tokens that follow the given rows [R] i32 of `hidden`. */
  logits(hidden: Tensor, rows: Tensor): Tensor

  /**
   * The prediction (eps, v or x0: the model's objective) for the values [S, channels] f32 of the images in `metadata`,
   * which is that of the call, or of its first images alone. `output` is what `forward` of this network returned.
   */
  imagePrediction(output: NetworkOutput, metadata: AttentionMetadata): Tensor
}

/** A model as one generates with it: a network, and how text and images become what it reads. */
export interface GenerativeModel {
  /** The weights, and how they are computed with. */
  readonly network: GenerativeNetwork
  /** Text to token ids and back. */
  readonly tokenizer: JsonTokenizer
  /** What the network predicts for images. */
  readonly objective: Objective
  /** Encodes and decodes images; absent: the default for the network's channels, see `codecOf`. */
  readonly codec?: ImageCodec | undefined
  /** Makes a document of messages; absent where the model was not trained on conversations. */
  readonly chatTemplate?: ChatTemplate | undefined
  /** How image files become what the model reads; by default to the size that it generates. */
  readonly imagePreprocessing?: ImagePreprocessingOptions | undefined
}
