import { Command, Option } from 'commander'
import { mergeAdapter, saveAdapter } from '../models/transfusion/io/adapter.js'
import { loadModel } from '../models/transfusion/io/folder.js'
import { readModelConfig } from '../models/transfusion/io/folder_config.js'
import { modelFolderOf } from '../models/transfusion/io/locate.js'
import { toLlama } from '../models/transfusion/io/to_llama.js'
import type { SavedPrecision } from '../nn/parameter_values.js'
import { say } from './terminal/output.js'

export const exportCommand = (): Command =>
  new Command('export')
    .description(
      "write a model's text part as a language model of Hugging Face's (a Llama, or what its config says), which transformers and train --init read",
    )
    .argument('<model>', 'the model folder')
    .argument('<out>', 'the folder to write')
    .addOption(
      new Option('--precision <type>', 'of the weights on disk').choices(['f32', 'bf16']).default('f32'),
    )
    .option('--merge <folder>', 'a LoRA adapter of PEFT that is added to the weights')
    .addOption(
      new Option('--adapter', 'the LoRA adapter of a checkpoint instead, for PEFT').conflicts('merge'),
    )
    .addHelpText('after', '\nExample:\n  transfusion export runs/train/model llama --precision bf16')
    .action(exportModel)

/** `transfusion export MODEL OUT`: the layout is described in docs/weights.md. */
export async function exportModel(
  folder: string,
  out: string,
  { precision, merge, adapter }: { precision: SavedPrecision; merge?: string; adapter?: boolean },
): Promise<void> {
  const { lora } = adapter ? await readModelConfig(await modelFolderOf(folder)) : {}
  if (adapter && !lora)
    throw new Error(
      `${folder}: has no low-rank updates: a checkpoint of a run with training.lora has, and in its model they are merged`,
    )
  const model = await loadModel(folder, { lora })
  using network = model.network
  const { vocabulary, layers } = network.config
  if (lora) {
    await saveAdapter(out, network)
    say(
      `${out}: a LoRA adapter of rank ${lora.rank}, which PEFT reads beside the language model that was trained`,
    )
    return
  }
  if (merge !== undefined) await mergeAdapter(merge, network)
  const kind = await toLlama(out, model, precision)
  say(
    `${out}: a ${kind} of ${layers} layers and ${vocabulary} tokens in ${precision}; the image parts are left out`,
  )
}
