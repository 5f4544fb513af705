import { isChameleon } from '../chameleon/config.js'
import { openChameleon } from '../chameleon/pretrained.js'
import { openGgufModel } from './gguf.js'
import { openHuggingFaceFolder, type PretrainedModel } from './pretrained.js'

/** Whether a path means a GGUF file rather than a folder. */
export const isGguf = (path: string): boolean => /\.gguf$/i.test(path)

/**
 * A pretrained language model, Chameleon among them: a GGUF file, or a folder of Hugging Face's transformers. Throws an Error that names the file and
 * what is missing, does not fit or is not supported.
 */
export async function openPretrained(path: string): Promise<PretrainedModel> {
  if (isGguf(path)) return openGgufModel(path)
  return (await isChameleon(path)) ? openChameleon(path) : openHuggingFaceFolder(path)
}
