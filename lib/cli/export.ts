import { Command, Option } from 'commander'
import { loadModel } from '../models/transfusion/io/folder.js'
import { toLlama } from '../models/transfusion/io/to_llama.js'
import type { SavedPrecision } from '../nn/parameter_values.js'
import { say } from './terminal/output.js'

export const exportCommand = (): Command =>
  new Command('export')
    .description(
      "write a model's text part as a Hugging Face Llama, which transformers and train --init read",
    )
    .argument('<model>', 'the model folder')
    .argument('<out>', 'the folder to write')
    .addOption(
      new Option('--precision <type>', 'of the weights on disk').choices(['f32', 'bf16']).default('f32'),
    )
    .addHelpText('after', '\nExample:\n  transfusion export runs/train/model llama --precision bf16')
    .action(exportModel)

/** `transfusion export MODEL OUT`: the layout is described in docs/weights.md. */
export async function exportModel(
  folder: string,
  out: string,
  { precision }: { precision: SavedPrecision },
): Promise<void> {
  const model = await loadModel(folder)
  using network = model.network
  await toLlama(out, model, precision)
  const { vocabulary, layers } = network.config
  say(
    `${out}: a Llama of ${layers} layers and ${vocabulary} tokens in ${precision}; the image parts are left out`,
  )
}
