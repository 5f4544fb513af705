/** Which folder a path means where a model is expected: people name a run, a checkpoint, a file, another tool's model. */
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { currentFile } from '../../../files/atomic_folder.js'
import { contentsInstead } from '../../../files/safetensors/checkpoint_contents.js'
import { readJson } from '../../../files/json_file.js'
import { isAutoencoder } from '../../autoencoder/io/folder.js'
import { isGguf } from '../../llama/open.js'

/** What our model folders hold; `architecture` of `config.json` tells them from others. */
export const modelFiles = {
  config: 'config.json',
  tokenizer: 'tokenizer.json',
  weights: 'model.safetensors',
} as const

/** A folder with weights. */
export interface ModelLocation {
  folder: string
  /** Ours, or one of Hugging Face's transformers. */
  kind: 'transfusion' | 'pretrained'
}

const expected = 'expected a model folder, which transfusion train writes as RUN/model'

/**
 * The folder of ours that a path means: a model folder itself, a file of one, or the run or the checkpoint that has one.
 * @throws Error of one line that says what the path is, and what would be right
 */
export async function modelFolderOf(path: string): Promise<string> {
  const { folder, kind } = await locateModel(path)
  if (kind === 'transfusion') return folder
  throw new Error(
    `${folder}: a language model; ${expected}: ` +
      'transfusion train --init, or Transfusion.fromPretrained, makes one of it',
  )
}

/** As {@link modelFolderOf}, for where a model of Hugging Face's would do, too. */
export async function locateModel(path: string): Promise<ModelLocation> {
  if (typeof path !== 'string') throw new TypeError(`${expected}; its path is no text: ${typeof path}`)
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' || error.code === 'ENOTDIR' ? 'no such folder' : error.message
    const hub = /^[\w.-]+(\/[\w.-]+)?$/.test(path) ? '; nothing is fetched from the Hugging Face Hub' : ''
    throw new Error(`${path}: ${reason}; ${expected}${hub}`, { cause: error })
  })
  if (found.isDirectory()) {
    const inside = await locateIn(path)
    if (inside) return inside
    throw new Error(`${path}: ${await whatElse(path)}`)
  }
  if (isGguf(path)) return { folder: path, kind: 'pretrained' }
  const isPart = Object.values<string>(modelFiles).includes(basename(path))
  const around = isPart ? await locateIn(dirname(path)) : undefined
  if (around) return around
  throw new Error(`${path}: a file${contentsInstead([basename(path)]) || `; ${expected}`}`)
}

/** The model of a folder: its own, or that of a run or a checkpoint. */
async function locateIn(folder: string): Promise<ModelLocation | undefined> {
  const own = await kindOf(folder)
  if (own) return { folder, kind: own }
  const model = join(folder, 'model')
  return (await kindOf(model)) === 'transfusion' ? { folder: model, kind: 'transfusion' } : undefined
}

/** Undefined where a folder's config is none of a model, or missing. Rejects where it cannot be read. */
async function kindOf(folder: string): Promise<ModelLocation['kind'] | undefined> {
  const config = await readJson(await currentFile(folder, modelFiles.config), null)
  if (typeof config !== 'object' || config === null) return undefined
  // Of another architecture it says what it is when it is read.
  if ('architecture' in config) return 'transfusion'
  return 'model_type' in config || 'architectures' in config ? 'pretrained' : undefined
}

/** What a folder is that has no model. */
async function whatElse(folder: string): Promise<string> {
  const names = (await readdir(folder)).toSorted()
  if (names.length === 0) return `an empty folder; ${expected}`
  if ((await isAutoencoder(folder)) || (await isAutoencoder(join(folder, 'model'))))
    return (
      'an autoencoder, which generates nothing by itself: it makes latents of images for a model, whose config names it as ' +
      `model.autoencoder, and images of what that generates; ${expected}`
    )
  const models: string[] = []
  for (const name of names) {
    const location = await locateIn(join(folder, name)).catch(() => undefined)
    if (location) models.push(location.folder)
  }
  const list = models.length > 3 ? `${models.slice(0, 3).join(', ')} ...` : models.join(', ')
  if (models.length > 0) return `a folder of models, of which one is to be named: ${list}`
  const checkpoint = await latestIn(join(folder, 'checkpoints'))
  if (checkpoint)
    return `a run that has not ended, which has no model yet; its latest checkpoint has one: ${checkpoint}`
  if (names.includes(modelFiles.weights) || names.includes('model.safetensors.index.json'))
    return `weights without their ${modelFiles.config}, which belongs to them; ${expected}`
  if (names.includes('model_index.json')) return `a pipeline of diffusers, which is not read; ${expected}`
  if (names.includes('metrics.jsonl') || names.includes('run.json'))
    return `a run that has neither a model nor a checkpoint yet; ${expected}`
  return `no model folder, it has no ${modelFiles.config} of one${contentsInstead(names) || `; ${expected}`}`
}

async function latestIn(checkpoints: string): Promise<string | undefined> {
  const names = await readdir(checkpoints).catch(() => [])
  const latest = names
    .filter((name) => name.startsWith('step-'))
    .toSorted()
    .at(-1)
  return latest && join(checkpoints, latest)
}
