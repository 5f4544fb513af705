import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  readSafetensors,
  type SafetensorsFile,
  type SafetensorsTensor,
  writeSafetensors,
} from '../../../../lib/files/safetensors/safetensors.js'
import { JsonTokenizer } from '../../../../lib/tokenizer/tokenizer.js'
import { specialToken, type TokenizerJson } from '../../../../lib/tokenizer/tokenizer_json.js'
import { temporaryFolder } from '../../../temporary_folder.js'

/** A Llama with 300 tokens and no tokenizer. */
export const fixture = fileURLToPath(new URL('../../../fixtures/llama', import.meta.url))

/** A word-level tokenizer of `size` ids, the last two of them for images if `images` is set. */
export const llamaTokenizer = (options: { size?: number; images?: boolean }): JsonTokenizer =>
  new JsonTokenizer(llamaTokenizerJson(options))

export function llamaTokenizerJson({ size = 300, images = false }): TokenizerJson {
  const words = Array.from({ length: size }, (_, id) => `w${id}`)
  words[0] = '<unk>'
  words[2] = '</s>'
  if (images) words.splice(-2, 2, '<|boi|>', '<|eoi|>')
  return wordLevelJson(
    words,
    words.filter((word) => word.startsWith('<')),
  )
}

/** A tokenizer of one token a word, whose ids are the words' places; <unk> is among the words. */
export function wordLevelJson(words: readonly string[], special: readonly string[]): TokenizerJson {
  return {
    version: '1.0',
    added_tokens: special.map((word) => specialToken(words.indexOf(word), word)),
    normalizer: null,
    pre_tokenizer: { type: 'WhitespaceSplit' },
    post_processor: null,
    decoder: null,
    model: {
      type: 'WordLevel',
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
      unk_token: '<unk>',
    },
  }
}

/** A copy of the fixture's config with changes. */
export async function writeConfig(folder: string, changes: object = {}): Promise<void> {
  const config = JSON.parse(await readFile(join(fixture, 'config.json'), 'utf8'))
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, ...changes }))
}

/** The fixture in a folder of its own, in one file. */
export async function llamaFolder(): Promise<string> {
  const folder = await temporaryFolder()
  await writeConfig(folder)
  await copyFile(join(fixture, 'model.safetensors'), join(folder, 'model.safetensors'))
  return folder
}

/** The fixture in three files with an index, changed before they are written. */
export async function shardedLlama(
  change: (shards: SafetensorsFile['tensors'][], map: Record<string, string>) => void = () => {},
): Promise<string> {
  const folder = await temporaryFolder()
  await writeConfig(folder)
  const { tensors } = await readSafetensors(join(fixture, 'model.safetensors'))
  const shards = [0, 1, 2].map(() => new Map<string, SafetensorsTensor>())
  const names = shards.map((_, i) => `model-0000${i + 1}-of-00003.safetensors`)
  const map: Record<string, string> = {}
  for (const [i, [name, tensor]] of [...tensors].entries()) {
    shards[i % 3]!.set(name, tensor)
    map[name] = names[i % 3]!
  }
  change(shards, map)
  for (const [i, shard] of shards.entries()) await writeSafetensors(join(folder, names[i]!), shard)
  const index = { metadata: { total_size: 517_376 }, weight_map: map }
  await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify(index))
  return folder
}
