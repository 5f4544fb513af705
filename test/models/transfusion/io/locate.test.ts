import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Transfusion } from '../../../../lib/transfusion.js'
import { saveModel } from '../../../../lib/models/transfusion/io/folder.js'
import { locateModel, modelFolderOf } from '../../../../lib/models/transfusion/io/locate.js'
import { scriptedModel } from '../../../generation/scripted_model.js'
import { temporaryFolder } from '../../../temporary_folder.js'

/** A run that trained: a model, a checkpoint that has another. */
async function run(): Promise<string> {
  const folder = await temporaryFolder()
  await saveModel(join(folder, 'model'), await scriptedModel())
  await cp(join(folder, 'model'), join(folder, 'checkpoints', 'step-000000020', 'model'), { recursive: true })
  await writeFile(join(folder, 'checkpoints', 'step-000000020', 'training.json'), '{}')
  await writeFile(join(folder, 'config.json'), '{"data": {}, "training": {"steps": 40}}')
  return folder
}

/** A folder with these files, of this content. */
async function folderOf(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await temporaryFolder()
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  return folder
}

const expected = 'expected a model folder, which transfusion train writes as RUN/model'

it('takes a run, a checkpoint and the files of a model for the model that they mean', async () => {
  const folder = await run()
  const model = join(folder, 'model')
  const inCheckpoint = join(folder, 'checkpoints', 'step-000000020', 'model')
  for (const [path, meant] of [
    [model, model],
    [folder, model],
    [join(folder, 'config.json'), model],
    [join(model, 'model.safetensors'), model],
    [join(model, 'tokenizer.json'), model],
    [join(folder, 'checkpoints', 'step-000000020'), inCheckpoint],
    [join(inCheckpoint, 'config.json'), inCheckpoint],
  ] as const)
    expect(await modelFolderOf(path), path).toBe(meant)
  using loaded = await Transfusion.load(folder)
  expect(loaded.parameterCount).toBeGreaterThan(0)
})

it('tells a Hugging Face model from ours', async () => {
  const folder = await folderOf({ 'config.json': '{"model_type": "llama"}', 'model.safetensors': '' })
  expect(await locateModel(folder)).toEqual({ folder, kind: 'pretrained' })
  expect(await locateModel(join(folder, 'config.json'))).toEqual({ folder, kind: 'pretrained' })
  await expect(Transfusion.load(folder)).rejects.toThrow(
    `${folder}: a language model; ${expected}: ` +
      'transfusion train --init, or Transfusion.fromPretrained, makes one of it',
  )
})

it('says so where a path is none', async () => {
  await expect(Transfusion.load(undefined as unknown as string)).rejects.toThrow(
    new TypeError(`${expected}; its path is no text: undefined`),
  )
})

it('says in one line what anything else is', async () => {
  const message = async (path: string) =>
    modelFolderOf(path).then(
      () => 'a model',
      (error: Error) => error.message.replaceAll(path, '<path>'),
    )
  const trained = await run()
  const gguf = 'GGUF: transfusion train --init, or Transfusion.fromPretrained, takes the file itself'
  const cases: [path: string, message: string][] = [
    [await temporaryFolder(), `<path>: an empty folder; ${expected}`],
    [join(await temporaryFolder(), 'none'), `<path>: no such folder; ${expected}`],
    [
      'meta-llama/Llama-2-7b',
      `<path>: no such folder; ${expected}; nothing is fetched from the Hugging Face Hub`,
    ],
    [join(trained, 'config.json', 'model'), `<path>: no such folder; ${expected}`],
    [
      join(trained, 'checkpoints'),
      '<path>: a folder of models, of which one is to be named: <path>/step-000000020/model',
    ],
    [
      await folderOf({ 'checkpoints/step-000000007/training.json': '', 'metrics.jsonl': '' }),
      '<path>: a run that has not ended, which has no model yet; its latest checkpoint has one: ' +
        '<path>/checkpoints/step-000000007',
    ],
    [
      await folderOf({ 'metrics.jsonl': '', 'config.json': '{"data": {}}' }),
      `<path>: a run that has neither a model nor a checkpoint yet; ${expected}`,
    ],
    [
      await folderOf({ 'model.safetensors': '' }),
      `<path>: weights without their config.json, which belongs to them; ${expected}`,
    ],
    [
      await folderOf({ 'model_index.json': '{}' }),
      `<path>: a pipeline of diffusers, which is not read; ${expected}`,
    ],
    [
      await folderOf({ 'adapter_config.json': '', 'adapter_model.safetensors': '' }),
      '<path>: no model folder, it has no config.json of one; adapter_model.safetensors is an adapter (LoRA) without the ' +
        'model that it changes: merge the two (merge_and_unload of peft) and save that',
    ],
    [
      await folderOf({ 'a.gguf': '', 'README.md': '' }),
      `<path>: no model folder, it has no config.json of one; a.gguf is ${gguf}`,
    ],
    [
      join(await folderOf({ 'a.GGUF': '' }), 'a.GGUF'),
      `<path>: a language model; ${expected}: transfusion train --init, or Transfusion.fromPretrained, makes one of it`,
    ],
    [
      join(await folderOf({ 'unet.ckpt': '' }), 'unet.ckpt'),
      '<path>: a file; unet.ckpt is pickled, which is not read: convert it to safetensors (from_pretrained and save_pretrained of the library that made it do)',
    ],
    [
      await folderOf({ 'training_args.bin': '', 'net.onnx': '' }),
      '<path>: no model folder, it has no config.json of one; net.onnx is an ONNX network, which is not read',
    ],
    [join(await folderOf({ 'notes.txt': '' }), 'notes.txt'), `<path>: a file; ${expected}`],
    [join(await folderOf({ 'model.safetensors': '' }), 'model.safetensors'), `<path>: a file; ${expected}`],
    [
      await folderOf({ 'notes.txt': '' }),
      `<path>: no model folder, it has no config.json of one; ${expected}`,
    ],
  ]
  for (const [path, right] of cases) expect(await message(path)).toBe(right)
})
