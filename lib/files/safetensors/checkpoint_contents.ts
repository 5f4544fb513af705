import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'

const pickled = (name: string): string =>
  `${name} is pickled, which is not read: convert it to safetensors (from_pretrained and save_pretrained of the library that made it do)`

/** Files of other formats and layouts; the first that a folder has says the most. */
const kinds: [pattern: RegExp, say: (name: string, weights: string) => string][] = [
  [
    /^adapter_model\.(safetensors|bin)$/,
    (name) =>
      `${name} is an adapter (LoRA) without the model that it changes: merge the two (merge_and_unload of peft) and save that`,
  ],
  [/^(pytorch_model|diffusion_pytorch_model).*\.bin(\.index\.json)?$/, pickled],
  [
    /\.gguf$/i,
    (name) =>
      `${name} is GGUF: transfusion train --init, or Transfusion.fromPretrained, takes the file itself`,
  ],
  [
    /^consolidated.*\.(pth|safetensors)$/,
    (name) => `${name} is in the layout of Meta's own code: convert it to Hugging Face's`,
  ],
  [/^checkpoint-\d+$/, (name) => `it holds ${name}: give one of its checkpoints`],
  [/^snapshots$/, () => 'it is a folder of the cache of the Hub: give one of the folders in snapshots'],
  [
    /^(diffusion_pytorch_)?model-\d+-of-\d+\.safetensors$/,
    (name) => `${name} is one of several files, whose index is missing`,
  ],
  [
    /\.safetensors$/i,
    (name, weights) => `${name} has another name than expected: the weights are ${weights} or have an index`,
  ],
  [/\.onnx$/i, (name) => `${name} is an ONNX network, which is not read`],
  [/^(?!training_args|optimizer|scheduler|rng_state).*\.(bin|pt|pth|ckpt)$/i, pickled],
]

/**
 * What a folder without the weights or the config that are looked for holds instead, or what a file is, and what to do
 * then, as the end of a message; empty where nothing is known of it. `names`: of the folder's files, or the file's own;
 * `weights`: the file that is looked for.
 */
export function contentsInstead(names: readonly string[], weights = 'model.safetensors'): string {
  const others = names.filter((name) => name !== weights).toSorted()
  for (const [pattern, say] of kinds) {
    const name = others.find((name) => pattern.test(name))
    if (name !== undefined) return `; ${say(name, weights)}`
  }
  return ''
}

/** Throws an Error that says what there is instead where a checkpoint's folder has no `tokenizer.json`. */
export async function checkTokenizerFile(folder: string): Promise<void> {
  const names = await readdir(folder)
  if (names.includes('tokenizer.json')) return
  const other = ['tokenizer.model', 'vocab.json'].find((name) => names.includes(name))
  const advice = other
    ? `; ${other} is of an older format: AutoTokenizer of transformers reads it, and its save_pretrained writes this file`
    : ''
  throw new Error(`${join(folder, 'tokenizer.json')}: no such file${advice}`)
}

/** Throws an Error that says what a folder is where it is none, or no checkpoint of Hugging Face's libraries. */
export async function checkCheckpointFolder(folder: string): Promise<void> {
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') {
      const hub = /^[\w.-]+\/[\w.-]+$/.test(folder)
        ? '; nothing is fetched from the Hugging Face Hub: download the model first'
        : ''
      throw new Error(`${folder}: no such folder${hub}`, { cause: error })
    }
    if (code === 'ENOTDIR')
      throw new Error(
        `${folder}: is a file${contentsInstead([basename(folder)]) || '; expected the folder that holds it'}`,
        { cause: error },
      )
    throw new Error(`${folder}: cannot be read (${message})`, { cause: error })
  }
  if (!names.includes('config.json'))
    throw new Error(`${join(folder, 'config.json')}: no such file${contentsInstead(names)}`)
}
