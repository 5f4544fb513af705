/** A pretrained language model as one reads it, whatever its files are: a folder of Hugging Face's, or a GGUF. */
import { join } from 'node:path'
import { checkTokenizerFile } from '../../files/safetensors/checkpoint_contents.js'
import { SafetensorsFolder } from '../../files/safetensors/safetensors_folder.js'
import { checkFloats } from '../../files/safetensors/safetensors_header.js'
import type { ImageCodec } from '../../image/codec.js'
import type { ComputeType } from '../../nn/arena.js'
import type { Device } from '../../tensor/device.js'
import type { BlockDType } from '../../tensor/dtype.js'
import { readChatTemplate } from '../../tokenizer/chat_template.js'
import { JsonTokenizer } from '../../tokenizer/tokenizer.js'
import { type LlamaConfig, readLlamaConfig } from './config.js'
import { isDerived, type LlamaTensor, storedName } from './tensors.js'

/** The weights of a pretrained model, by the names that a Hugging Face Llama gives them. */
export interface PretrainedWeights extends AsyncDisposable {
  /** Throws an Error that names file and tensor unless the tensor is there, of floats of this shape. */
  check(tensor: LlamaTensor): void
  /** The values in row-major order, a piece at a time: bf16 as its bits, all else as f32. */
  pieces(name: string): AsyncIterable<Float32Array | Uint16Array>
  /** The block dtype that a tensor is stored in, where there are products of it. */
  blockType(name: string): BlockDType | undefined
  /** The bytes of a tensor of a block dtype: whole rows in their order, a piece at a time. */
  blockPieces(name: string): AsyncIterable<Uint8Array>
  /** Whether matrices are stored in bf16 or f16, or in blocks of which there are no products. */
  readonly storesHalves: boolean
  /** Whether two names, both there, mean one stored tensor: tied matrices. */
  isSame(name: string, other: string): boolean
  /** Throws an Error that names a tensor that is none of `known`. */
  refuseOthers(known: ReadonlySet<string>): void
}

/** The images of a pretrained model that has any: codes of a VQ-VAE among its tokens, as in Chameleon. */
export interface PretrainedImages {
  /** Of those that it was trained on, as the config of a model of ours has them. */
  readonly image: { channels: 1; patch: 1; codes: number; height: number; width: number }
  /** Ids of the special tokens, and that of each code. */
  readonly tokens: { bos: number; end: number; boi: number; eoi: number; codes: number[] }
  /** Reads the VQ-VAE; `imageDecoder`: a safetensors file with its decoder, where the model's own files lack it. */
  openCodec(options: {
    compute: ComputeType
    device: Device
    imageDecoder: string | undefined
  }): Promise<ImageCodec>
}

/** A pretrained language model. */
export interface PretrainedModel {
  readonly config: LlamaConfig
  /** Absent where it reads text alone. */
  readonly images?: PretrainedImages
  openWeights(): Promise<PretrainedWeights>
  /** Rejects with an Error that names the file where there is no tokenizer. */
  readTokenizer(): Promise<JsonTokenizer>
  /** The text of the chat template, where there is one. */
  readChatTemplate(): Promise<string | undefined>
}

/** A folder with `config.json`, `tokenizer.json` and safetensors. Throws as `readLlamaConfig`. */
export async function openHuggingFaceFolder(folder: string): Promise<PretrainedModel> {
  const config = await readLlamaConfig(folder)
  return {
    config,
    openWeights: async () => new FolderWeights(await SafetensorsFolder.open(folder), config),
    async readTokenizer() {
      await checkTokenizerFile(folder)
      return JsonTokenizer.load(join(folder, 'tokenizer.json'))
    },
    readChatTemplate: () => readChatTemplate(folder),
  }
}

/** The weights of a folder of safetensors. */
export class FolderWeights implements PretrainedWeights {
  readonly #files: SafetensorsFolder
  readonly #config: LlamaConfig
  readonly #isOther: (name: string) => boolean

  /** `isOther`: tells the tensors of another part of the model, which are not read here. */
  constructor(files: SafetensorsFolder, config: LlamaConfig, isOther = (_name: string): boolean => false) {
    this.#files = files
    this.#config = config
    this.#isOther = isOther
  }

  check({ name, shape }: LlamaTensor): void {
    const stored = this.#storedName(name)
    checkFloats(this.#files.pathOf(stored), stored, this.#files.entry(stored), shape)
  }

  pieces(name: string): AsyncIterable<Float32Array | Uint16Array> {
    return this.#files.readPieces(this.#storedName(name))
  }

  blockType(): undefined {}

  async *blockPieces(): AsyncGenerator<Uint8Array, void, undefined> {}

  get storesHalves(): boolean {
    return [...this.#files.names].some((name) => ['BF16', 'F16'].includes(this.#files.entry(name)!.dtype))
  }

  isSame(name: string, other: string): boolean {
    return this.#storedName(name) === this.#storedName(other)
  }

  refuseOthers(known: ReadonlySet<string>): void {
    const stored = new Set([...known].map((name) => this.#storedName(name)))
    const unknown = [...this.#files.names].find(
      (name) => !stored.has(name) && !isDerived(name) && !this.#isOther(name),
    )
    if (unknown !== undefined)
      throw new Error(`${this.#files.pathOf(unknown)}: a model of this config has no tensor "${unknown}"`)
  }

  #storedName(name: string): string {
    return storedName(name, (name) => this.#files.entry(name) !== undefined, this.#config)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#files.close()
  }
}
