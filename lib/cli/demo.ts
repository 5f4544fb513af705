import { Command, Option } from 'commander'
import type { DemoSettings } from '../experiments/demo/demo_task.js'
import { type DemoName, type DemoOptions, demoTasks, runDemo } from '../experiments/demo/run_demo.js'
import { deviceOption, numberOption, seedOption } from './options/shared.js'
import { onInterrupt } from './terminal/interrupt.js'
import { say, warn } from './terminal/output.js'
import { TrainingProgress } from './terminal/training_progress.js'

export const demoCommand = (): Command =>
  new Command('demo')
    .description(
      'train on Fashion-MNIST or emoji, generate images from captions, describe test images, and evaluate both',
    )
    .addOption(
      new Option('--data <name>', 'what to learn').choices(Object.keys(demoTasks)).default('fashion-mnist'),
    )
    .addOption(numberOption('--minutes <number>', 'time to train').default(3))
    .option('--out <folder>', 'where the run is written', 'runs/demo')
    .addOption(seedOption().default(0))
    .addOption(deviceOption())
    .addHelpText(
      'after',
      '\nExamples:\n  transfusion demo --minutes 20 --out runs/long-demo\n' +
        '  transfusion demo --data emoji --minutes 30 --out runs/emoji',
    )
    .action(demo)

/** `npm run demo`: see `runDemo`. Ctrl-C ends training early; the model is evaluated all the same. */
export async function demo({
  data,
  minutes,
  out,
  seed,
  device,
}: DemoSettings & Pick<DemoOptions, 'out' | 'device'> & { data: DemoName }): Promise<void> {
  if (minutes <= 0) throw new RangeError(`--minutes: expected a positive number, received ${minutes}`)
  const stop = new AbortController()
  let progress: TrainingProgress | undefined
  // Before training and after it Ctrl-C ends the process at once.
  let interrupt: ReturnType<typeof onInterrupt> | undefined
  await runDemo(
    data,
    { minutes, seed },
    {
      out,
      device,
      signal: stop.signal,
      onMessage: say,
      onWarning: warn,
      onTrainingStart: (machine) => {
        interrupt = onInterrupt(
          'Training ends here; the model is evaluated as it is. Press Ctrl-C again to leave at once.',
          { saves: true },
        )
        interrupt.signal.addEventListener('abort', () => stop.abort(interrupt!.signal.reason))
        progress = new TrainingProgress(machine)
      },
      onStep: (report) => progress!.update(report),
      onTrainingEnd: () => {
        progress!.stop()
        interrupt![Symbol.dispose]()
      },
    },
  )
}
