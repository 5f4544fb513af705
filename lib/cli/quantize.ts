import { Command, Option } from 'commander'
import { stat } from 'node:fs/promises'
import { modelFiles, modelFolderOf } from '../models/transfusion/io/locate.js'
import { currentFile } from '../files/atomic_folder.js'
import { exists } from '../files/exists.js'
import { formatBytes } from '../reporting/report/numbers.js'
import { Transfusion } from '../transfusion.js'
import { say } from './terminal/output.js'

/** Options of the command line. */
export interface QuantizeFlags {
  weights: 'int8' | 'int4'
}

export const quantizeCommand = (): Command =>
  new Command('quantize')
    .description('write a model with its matrices in 8 or 4 bits: smaller and faster, for inference alone')
    .argument('<model>', 'the model folder')
    .argument('<out>', 'the folder to write')
    .addOption(
      new Option('--weights <kind>', 'int8: a scale for each row; int4: a scale and a minimum for 32 values')
        .choices(['int8', 'int4'])
        .default('int8'),
    )
    .addHelpText(
      'after',
      '\nEvery command that only reads a model takes the folder; to train on, keep the original.\n' +
        'transfusion eval MODEL --weights f32 int8 int4 measures beforehand what it costs.\n' +
        '\nExample:\n  transfusion quantize runs/train/model small --weights int4',
    )
    .action(quantize)

/** `transfusion quantize MODEL OUT`: the layout is described in docs/weights.md. */
export async function quantize(named: string, out: string, { weights }: QuantizeFlags): Promise<void> {
  const folder = await modelFolderOf(named)
  // What is rounded cannot be brought back, and a model to train on is not to be lost.
  if (await exists(await currentFile(out, modelFiles.config)))
    throw new Error(`${out}: a model is there already; name a folder that is not there yet`)
  using model = await Transfusion.load(folder, { weights })
  await model.save(out)
  const [before, after] = await Promise.all([folder, out].map(bytesOfWeights))
  say(`${out}: ${weights}, ${formatBytes(after!)}; ${folder} has ${formatBytes(before!)}`)
}

const bytesOfWeights = async (folder: string): Promise<number> =>
  (await stat(await currentFile(folder, modelFiles.weights))).size
