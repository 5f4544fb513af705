import { Command } from 'commander'
import { trainFromConfig, type TrainRunOptions } from '../run/train_from_config.js'
import { deviceOption, settingOption } from './options/shared.js'
import { onInterrupt } from './terminal/interrupt.js'
import { say, warn } from './terminal/output.js'
import { TokenizerProgress } from './terminal/tokenizer_progress.js'
import { TrainingProgress } from './terminal/training_progress.js'

export const trainCommand = (): Command =>
  new Command('train')
    .description('train a model as a JSON config says')
    .argument('<config>', 'the config file')
    .option('--out <folder>', 'where the run is written, and resumed', 'runs/train')
    .option('--init <folder>', "weights to begin with: a model folder, or a Hugging Face language model's")
    .addOption(settingOption())
    .addOption(deviceOption())
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  transfusion train examples/fashion-mnist.json --out runs/fashion\n' +
        '  transfusion train examples/fashion-mnist.json --set training.steps=50 --set precision=f32\n' +
        '\ndocs/config.md lists the settings.',
    )
    .action(train)

/** `transfusion train config.json`: see `trainFromConfig`; Ctrl-C stops it after a step, and saves. */
export async function train(
  path: string,
  options: Pick<TrainRunOptions, 'out' | 'init' | 'set' | 'device'>,
): Promise<void> {
  const stop = new AbortController()
  const tokenizerProgress = new TokenizerProgress()
  let progress: TrainingProgress | undefined
  // Before there is anything to save, Ctrl-C ends the process at once.
  let interrupt: ReturnType<typeof onInterrupt> | undefined
  try {
    await trainFromConfig(path, {
      ...options,
      signal: stop.signal,
      onMessage: say,
      onWarning: warn,
      onTokenizerProgress: (now) => tokenizerProgress.update(now),
      onReady: () => {
        tokenizerProgress.stop()
        interrupt = onInterrupt('Stopping after this step and saving; press Ctrl-C again to leave at once.', {
          saves: true,
        })
        interrupt.signal.addEventListener('abort', () => stop.abort(interrupt!.signal.reason))
      },
      onTrainingStart: (machine) => (progress = new TrainingProgress(machine)),
      onStep: (report) => progress!.update(report),
      onTrainingEnd: (completed) => progress!.stop(completed),
    })
  } finally {
    tokenizerProgress.stop()
    interrupt?.[Symbol.dispose]()
  }
}
