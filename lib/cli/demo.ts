import { Command } from 'commander'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { writeJson } from '../data/json_file.js'
import { makeCaptionTokenizer } from '../data/caption_tokenizer.js'
import { findFashionMnist, openMnist } from '../data/fashion_mnist.js'
import { fillTemplate, type IdxDataset } from '../data/sources/idx_dataset.js'
import { evaluateClasses } from '../evaluation/evaluate_classes.js'
import { Transfusion } from '../generation/transfusion.js'
import { measureMatmulRate } from '../reporting/matmul_rate.js'
import { runFiles } from '../reporting/run_files.js'
import { RunRecorder } from '../reporting/run_recorder.js'
import { deviceInfo } from '../tensor/device.js'
import { Trainer } from '../training/trainer.js'
import {
  demoEvaluation,
  demoImages,
  demoModel,
  demoObjective,
  demoTemplates,
  demoTraining,
} from './demo_config.js'
import { writeDemoSheet } from './demo_sheet.js'
import { onInterrupt } from './interrupt.js'
import { say, warn } from './output.js'
import { TrainingProgress } from './progress.js'
import { numberOption, seedOption } from './options.js'
import { recordedRun } from './recorded_run.js'
import { modelOptions } from './train_config.js'

export const demoCommand = (): Command =>
  new Command('demo')
    .description('train on Fashion-MNIST, draw from captions, describe test images, and judge the result')
    .addOption(numberOption('--minutes <number>', 'time to train').default(3))
    .option('--out <folder>', 'where the run is written', 'runs/demo')
    .addOption(seedOption().default(0))
    .addHelpText('after', '\nExample:\n  transfusion demo --minutes 20 --out runs/long-demo')
    .action(demo)

/** Steps between two sheets of samples. */
const sheetSteps = 1000

/**
 * `npm run demo`: trains a small model on Fashion-MNIST for some minutes, draws from captions, describes test images,
 * and has a classifier judge both. Ctrl-C ends training early; what was reached is judged all the same.
 */
export async function demo({
  minutes,
  out,
  seed,
}: {
  minutes: number
  out: string
  seed: number
}): Promise<void> {
  const started = performance.now()
  if (minutes <= 0) throw new RangeError(`--minutes: expected a positive number, received ${minutes}`)
  await mkdir(out, { recursive: true })

  const files = await findFashionMnist()
  const [training, test] = await Promise.all([
    openMnist(files, 'train', demoTemplates),
    openMnist(files, 'test', demoTemplates),
  ])
  const captions = files.classNames.map((name) => fillTemplate(demoTemplates[0]!, name))
  const tokenizer = makeCaptionTokenizer(captions)
  const trainingOptions = demoTraining(minutes, seed)
  // Half the bytes and twice the products, where the processor has them.
  const precision = deviceInfo().nativeBf16 ? 'bf16' : 'f32'
  const sizes = demoModel(minutes)
  using model = Transfusion.create(modelOptions(sizes), tokenizer, {
    seed,
    compute: precision,
    objective: demoObjective,
  })
  say(
    `${files.name}: ${training.length} images to learn from, ${test.length} to be tested on.\n` +
      `One transformer of ${model.parameterCount.toLocaleString('en')} parameters learns to draw and to ` +
      `describe them, for ${minutes} minutes:`,
  )

  const config = {
    data: files.name,
    model: sizes,
    precision,
    objective: demoObjective,
    training: trainingOptions,
    samples: { every: sheetSteps, prompts: captions, ...demoImages },
  }
  await writeJson(join(out, runFiles.config), config)
  const matmulRate = await measureMatmulRate(precision)
  const recorder = await RunRecorder.open(out, {
    step: 0,
    seconds: 0,
    every: 10,
    tensorboard: false,
    parameters: model.parameterCount,
    config,
    matmulRate,
  })
  await recordedRun(out, recorder, warn, async () => {
    const trained = await trainDemo(model, training, {
      options: trainingOptions,
      captions,
      recorder,
      matmulRate,
    })
    await model.save(join(out, 'model'))

    const data = { training, test, captions }
    const { figures, drawn, described } = await evaluateClasses(model, data, { ...demoEvaluation, seed, say })
    const total_seconds = seconds(started)
    const all = { ...figures, ...trained, total_seconds }
    await writeJson(join(out, runFiles.figures), all)
    await writeDemoSheet(join(out, runFiles.contactSheet), {
      drawn: drawn!.images,
      described: described.slice(0, 20),
      captions,
      name: files.name,
    })
    for (const [name, value] of Object.entries(all))
      say(`  ${name.padEnd(20)} ${Number(value.toPrecision(4))}`)
    const paths = [runFiles.contactSheet, runFiles.figures, 'model'].map((name) => join(out, name))
    say(`Pictures: ${paths[0]}   figures: ${paths[1]}   model: ${paths[2]}`)
    return 'finished'
  })
}

interface DemoTraining {
  options: ReturnType<typeof demoTraining>
  /** Drawn on the way. */
  captions: readonly string[]
  recorder: RunRecorder
  /** The machine's. */
  matmulRate: number
}

async function trainDemo(
  model: Transfusion,
  dataset: IdxDataset,
  { options, captions, recorder, matmulRate }: DemoTraining,
) {
  using interrupt = onInterrupt(
    'Training ends here; judging what was reached. Press Ctrl-C again to leave at once.',
  )
  using trainer = new Trainer(model, dataset, options)
  const progress = new TrainingProgress({ matmulRate })
  const drawSamples = async (step: number) => {
    await recorder.samples(step, await model.drawImages(captions, undefined, demoImages), captions)
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
