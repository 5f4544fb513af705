import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { it } from 'vitest'
import { readSafetensors } from '../../lib/files/safetensors/safetensors.js'
import { fromPretrained } from '../../lib/models/transfusion/io/from_pretrained.js'
import { compare } from '../check_op.js'
import { llamaTokenizer } from '../models/transfusion/io/llama_folder.js'
import { trainedText } from '../models/transfusion/text_training.js'

const fixtures = fileURLToPath(new URL('../fixtures/language-models', import.meta.url))
const folders = (await readdir(fixtures, { withFileTypes: true })).filter((entry) => entry.isDirectory())
const image = { channels: 1, patch: 2, height: 2, width: 2 }
const tokenizer = llamaTokenizer({ size: 97, images: true })

it.each(folders.map(({ name }) => name))('a checkpoint of transformers has its logits: %s', async (name) => {
  const { tensors } = await readSafetensors(join(fixtures, name, 'expected.safetensors'))
  using network = (await fromPretrained(join(fixtures, name), { image, tokenizer, device: 'cuda' })).network
  const { logits } = await trainedText(network, tensors.get('ids')!.data as Int32Array, false)
  compare('logits', logits, tensors.get('float64.logits')!.data as Float32Array, 'f32')
})
