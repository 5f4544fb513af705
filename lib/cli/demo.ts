import { Command, Option } from 'commander'
import { join } from 'node:path'
import { makeCaptionTokenizer } from '../tokenizer/caption_tokenizer.js'
import { drawContactSheet } from '../image/contact_sheet.js'
import { writePng } from '../image/image_io.js'
import { writeJson } from '../files/json_file.js'
import { Transfusion } from '../transfusion.js'
import { measureMatmulRate } from '../reporting/matmul_rate.js'
import { runFiles } from '../reporting/run_files.js'
import { RunRecorder } from '../reporting/run_recorder.js'
import { type Device, deviceInfo } from '../tensor/device.js'
import { Trainer } from '../models/transfusion/training/trainer.js'
import { openEmojiTask } from '../experiments/demo/demo_emoji.js'
import { openFashionMnistTask } from '../experiments/demo/demo_fashion_mnist.js'
import type { DemoSettings, DemoTask } from '../experiments/demo/demo_task.js'
import { onInterrupt } from './terminal/interrupt.js'
import { deviceOption, numberOption, seedOption } from './options/shared.js'
import { say, warn } from './terminal/output.js'
import { TrainingProgress } from './terminal/training_progress.js'
import { recordedRun } from '../run/recorded_run.js'
import { lockRun } from '../run/run_folder.js'
import { modelOptions } from '../run/train_config.js'

/** By the name of the data. */
const openTask = { 'fashion-mnist': openFashionMnistTask, emoji: openEmojiTask }

export const demoCommand = (): Command =>
  new Command('demo')
    .description(
      'train on Fashion-MNIST or emoji, generate images from captions, describe test images, and evaluate both',
    )
    .addOption(
      new Option('--data <name>', 'what to learn').choices(Object.keys(openTask)).default('fashion-mnist'),
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

/** Steps between two sheets of samples. */
const sheetSteps = 1000

/**
 * `npm run demo`: trains a small model for some minutes, generates images from captions, describes test images, and
 * evaluates both. Ctrl-C ends training early; the model is evaluated all the same.
 */
export async function demo({
  data,
  minutes,
  out,
  seed,
  device = 'cpu',
}: DemoSettings & { data: keyof typeof openTask; out: string; device?: Device }): Promise<void> {
  const started = performance.now()
  if (minutes <= 0) throw new RangeError(`--minutes: expected a positive number, received ${minutes}`)
  await using _ = await lockRun(out, 'running the demo', warn)
  await runDemo(await openTask[data]({ minutes, seed }), { out, started, device })
}

/** Learns a task and writes the run into a folder; `started` as `performance.now()` gave it. */
export async function runDemo(
  task: DemoTask,
  { out, started, device = 'cpu' }: { out: string; started: number; device?: Device },
): Promise<void> {
  const { name, training, objective, options, images, prompts } = task
  // Half the bytes and twice the products, where the processor has them.
  const precision = deviceInfo().nativeBf16 ? 'bf16' : 'f32'
  using model = Transfusion.create(modelOptions(task.model), makeCaptionTokenizer(task.captions), {
    seed: options.seed,
    compute: precision,
    device,
    objective,
  })
  say(
    `${name}: ${training.length} images to learn from, ${task.testLength} to be tested on.\n` +
      `One transformer of ${model.parameterCount.toLocaleString('en')} parameters learns to generate and to ` +
      `describe them, for ${options.minutes} minutes:`,
  )

  const config = {
    data: name,
    model: task.model,
    precision,
    objective,
    training: options,
    samples: { every: sheetSteps, prompts, ...images },
  }
  await writeJson(join(out, runFiles.config), config)
  const matmulRate = await measureMatmulRate(precision, device)
  const recorder = await RunRecorder.open(out, {
    step: 0,
    seconds: 0,
    every: 10,
    tensorboard: false,
    parameters: model.parameterCount,
    config,
    matmulRate,
  })
  await recordedRun(out, recorder, { onMessage: say, onWarning: warn }, async () => {
    const trained = await train(model, task, recorder, matmulRate)
    await model.save(join(out, 'model'))

    const { metrics, sheet } = await task.evaluate(model, say)
    const all = { ...metrics, ...trained, total_seconds: seconds(started) }
    await writeJson(join(out, runFiles.finalMetrics), all)
    await writePng(join(out, runFiles.contactSheet), drawContactSheet(sheet))
    const widest = Math.max(20, ...Object.keys(all).map((name) => name.length))
    for (const [name, value] of Object.entries(all))
      say(`  ${name.padEnd(widest)} ${Number(value.toPrecision(4))}`)
    const paths = [runFiles.contactSheet, runFiles.finalMetrics, 'model'].map((file) => join(out, file))
    say(`Pictures: ${paths[0]}   metrics: ${paths[1]}   model: ${paths[2]}`)
    return 'finished'
  })
}

async function train(
  model: Transfusion,
  { training, options, prompts, images }: DemoTask,
  recorder: RunRecorder,
  matmulRate: number,
) {
  using interrupt = onInterrupt(
    'Training ends here; the model is evaluated as it is. Press Ctrl-C again to leave at once.',
    { saves: true },
  )
  using trainer = new Trainer(model, training, options)
  const progress = new TrainingProgress({ matmulRate })
  const drawSamples = async (step: number) => {
    await recorder.samples(step, await model.generateImages(prompts, undefined, images), prompts)
    await recorder.flush()
  }
  try {
    await trainer.run({
      signal: interrupt.signal,
      onStep: (report) => {
        progress.update(report)
        recorder.step(report)
      },
      every: { steps: sheetSteps, run: drawSamples },
    })
    await drawSamples(trainer.done.steps)
  } finally {
    progress.stop()
  }
  return { train_seconds: trainer.done.seconds, train_steps: trainer.done.steps }
}

const seconds = (since: number): number => (performance.now() - since) / 1000
