import { Command, Option } from 'commander'
import type { DemoSettings } from '../experiments/demo/demo_task.js'
import { type DemoName, demoTasks, runDemo } from '../experiments/demo/run_demo.js'
import { type LatentsDemoOptions, runLatentsDemo } from '../experiments/latents/latents_demo.js'
import { latentSides } from '../experiments/latents/autoencoder_config.js'
import { pixelSides } from '../experiments/demo/demo_emoji.js'
import type { StepReport } from '../training/step_report.js'
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
    .addOption(
      numberOption('--minutes <number>', 'time to train, with --latents that of both models').default(3),
    )
    .option('--latents', 'of emoji: train an autoencoder first, then a model of its latents')
    .addOption(
      numberOption(
        '--size <number>',
        'pixels along a side of emoji: 32 or 64, with --latents 64, 128 or 256',
      ),
    )
    .option('--lpips <file>', 'with --latents: weights of LPIPS, which then compares reconstructions, too')
    .option('--out <folder>', 'where the run is written', 'runs/demo')
    .addOption(seedOption().default(0))
    .addOption(deviceOption())
    .addHelpText(
      'after',
      '\nExamples:\n  transfusion demo --minutes 20 --out runs/long-demo\n' +
        '  transfusion demo --data emoji --minutes 30 --out runs/emoji\n' +
        '  transfusion demo --data emoji --latents --minutes 20 --out runs/emoji-latents\n' +
        '\nWith --latents the same command goes on where it was stopped.',
    )
    .action(demo)

/** Options of the command line. */
export interface DemoCommandOptions
  extends Omit<DemoSettings, 'side'>, Pick<LatentsDemoOptions, 'out' | 'device' | 'lpips'> {
  data: DemoName
  latents?: boolean
  /** Pixels. */
  size?: number
}

/**
 * `npm run demo`: see `runDemo`, and with --latents `runLatentsDemo`. Ctrl-C ends training early; a model of pixels is
 * evaluated all the same, one of latents is saved, and trained on by the same command.
 */
export async function demo(options: DemoCommandOptions): Promise<void> {
  const { data, minutes, out, seed, device, latents = false, size: side, lpips } = options
  if (minutes <= 0) throw new RangeError(`--minutes: expected a positive number, received ${minutes}`)
  if (data !== 'emoji' && (latents || side !== undefined))
    throw new RangeError(`${latents ? '--latents' : '--size'}: expected --data emoji beside it`)
  if (lpips !== undefined && !latents) throw new RangeError('--lpips: expected --latents beside it')
  const sides: readonly number[] = latents ? latentSides : pixelSides
  if (side !== undefined && !sides.includes(side))
    throw new RangeError(
      `--size: expected ${latents ? '64, 128 or 256 with' : '32 or 64 without'} --latents, received ${side}`,
    )
  const stop = new AbortController()
  let progress: TrainingProgress | undefined
  // Before training and after it Ctrl-C ends the process at once.
  let interrupt: ReturnType<typeof onInterrupt> | undefined
  const hooks = {
    out,
    device,
    signal: stop.signal,
    onMessage: say,
    onWarning: warn,
    onTrainingStart: (machine: { matmulRate: number }) => {
      const consequence = latents
        ? 'Stopping after this step and saving; press'
        : 'Training ends here; the model is evaluated as it is. Press'
      interrupt = onInterrupt(`${consequence} Ctrl-C again to leave at once.`, { saves: true })
      interrupt.signal.addEventListener('abort', () => stop.abort(interrupt!.signal.reason))
      progress = new TrainingProgress(machine)
    },
    onStep: (report: StepReport) => progress!.update(report),
    onTrainingEnd: (completed: boolean) => {
      progress!.stop(completed)
      interrupt![Symbol.dispose]()
    },
  }
  if (latents) await runLatentsDemo({ minutes, seed, side }, { ...hooks, lpips })
  else await runDemo(data, { minutes, seed, side }, hooks)
}
