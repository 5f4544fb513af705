/** A Chameleon of Hugging Face's transformers (`ChameleonForConditionalGeneration`) as a pretrained language model with images. */
import { join } from 'node:path'
import { checkTokenizerFile } from '../../files/safetensors/checkpoint_contents.js'
import { SafetensorsFolder } from '../../files/safetensors/safetensors_folder.js'
import { readChatTemplate } from '../../tokenizer/chat_template.js'
import { JsonTokenizer } from '../../tokenizer/tokenizer.js'
import { FolderWeights, type PretrainedModel } from '../llama/pretrained.js'
import { readChameleonConfig } from './config.js'
import { loadVqgan, vqganPrefix } from './vqgan.js'

/** Opens a folder with `config.json`, `tokenizer.json` and safetensors. Throws as `readChameleonConfig`. */
export async function openChameleon(folder: string): Promise<PretrainedModel> {
  const { text, tokens, autoencoder, side } = await readChameleonConfig(folder)
  const isImage = (name: string) => name.startsWith(vqganPrefix)
  return {
    config: text,
    images: {
      image: { channels: 1, patch: 1, codes: tokens.codes.length, height: side, width: side },
      tokens,
      openCodec: (options) => loadVqgan(folder, autoencoder, options),
    },
    openWeights: async () => new FolderWeights(await SafetensorsFolder.open(folder), text, isImage),
    async readTokenizer() {
      await checkTokenizerFile(folder)
      const { bos, end: eos, boi, eoi } = tokens
      return JsonTokenizer.load(join(folder, 'tokenizer.json'), { bos, eos, boi, eoi })
    },
    readChatTemplate: () => readChatTemplate(folder),
  }
}
