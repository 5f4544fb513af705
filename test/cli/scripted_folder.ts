import { join } from 'node:path'
import { saveModel } from '../../lib/models/transfusion/io/folder.js'
import { ChatTemplate } from '../../lib/tokenizer/chat_template.js'
import { scriptedModel } from '../generation/scripted_model.js'
import { temporaryFolder } from '../temporary_folder.js'

/** A folder with the scripted model in `model`, and its chat template where it is to have one. */
export async function scriptedFolder(template?: string): Promise<string> {
  const folder = await temporaryFolder()
  const model = await scriptedModel()
  using network = model.network
  const chatTemplate = template === undefined ? undefined : new ChatTemplate(template, model.tokenizer)
  await saveModel(join(folder, 'model'), { ...model, network, chatTemplate })
  return folder
}
