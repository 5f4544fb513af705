import { join } from 'node:path'
import { saveModel } from '../../lib/models/transfusion/io/folder.js'
import { scriptedModel } from '../generation/scripted_model.js'
import { temporaryFolder } from '../temporary_folder.js'

/** A folder with the scripted model in `model`. */
export async function scriptedFolder(): Promise<string> {
  const folder = await temporaryFolder()
  const model = await scriptedModel()
  using network = model.network
  await saveModel(join(folder, 'model'), { ...model, network })
  return folder
}
