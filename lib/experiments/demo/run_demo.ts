/** What `transfusion demo` does, for programs. */
import { join } from 'node:path'
import { given } from '../../config/given.js'
import { parseConfig } from '../../config/parse.js'
import { writeJson } from '../../files/json_file.js'
import { drawContactSheet } from '../../image/contact_sheet.js'
import { measureMatmulRate } from '../../reporting/matmul_rate.js'
import { runFiles } from '../../reporting/run_files.js'
import { RunRecorder } from '../../reporting/run_recorder.js'
import { type RunMessages, silent } from '../../run/messages.js'
import { recordedRun } from '../../run/recorded_run.js'
import { lockRun, runPaths } from '../../run/run_folder.js'
import { modelOptions } from '../../models/transfusion/model_options.js'
import type { SessionHooks } from '../../run/train_session.js'
import { currentDevice, type Device, deviceInfo } from '../../tensor/device.js'
import { makeCaptionTokenizer } from '../../tokenizer/caption_tokenizer.js'
import { transfusionTrainingSchema } from '../../models/transfusion/training/options.js'
import { Trainer } from '../../models/transfusion/training/trainer.js'
import { Transfusion } from '../../transfusion.js'
import { openEmojiTask } from './demo_emoji.js'
import { openFashionMnistTask } from './demo_fashion_mnist.js'
import { writeResult } from './demo_result.js'
import type { DemoSettings, DemoTask } from './demo_task.js'

/** Opens a demo's data, by the data's name. */
export const demoTasks = { 'fashion-mnist': openFashionMnistTask, emoji: openEmojiTask }
export type DemoName = keyof typeof demoTasks

/** Steps between two sheets of samples. */
const sheetSteps = 1000

/** Where a demo is written, and its hooks. The signal ends training early; what was reached is evaluated all the same. */
export interface DemoOptions extends SessionHooks {
  /** The run's folder. */
  out: string
  /** Where the model is trained; by default TRANSFUSION_DEVICE, else 'cpu'. */
  device?: Device | undefined
}

/**
 * Trains a small model for some minutes, generates images from captions, describes test images, evaluates both and writes
 * all of it into the run's folder. Rejects with an Error that says how to get the data where they are missing.
 */
export async function runDemo(name: DemoName, settings: DemoSettings, options: DemoOptions): Promise<void> {
  const started = performance.now()
  const { minutes } = settings
  if (!(minutes > 0)) throw new RangeError(`runDemo: minutes must be a positive number, received ${minutes}`)
  const { onWarning } = { ...silent, ...given(options) }
  await using _ = await lockRun(options.out, 'running the demo', onWarning)
  await runDemoTask(await demoTasks[name](settings), { ...options, started })
}

/** Runs a demo on data that is open. `started`: when the total time begins, as `performance.now()` gives it. */
export async function runDemoTask(
  task: DemoTask,
  {
    out,
    device = currentDevice(),
    started = performance.now(),
    ...options
  }: DemoOptions & { started?: number },
): Promise<void> {
  const hooks = { ...silent, ...given(options) }
  const { onMessage } = hooks
  const { name, minutes, objective, images, prompts } = task
  // Half the bytes and twice the products, where the processor has them.
  const precision = deviceInfo(device).nativeBf16 ? 'bf16' : 'f32'
  const training = parseConfig(transfusionTrainingSchema, { ...task.training, minutes }, 'demo training')
  using model = Transfusion.create(modelOptions(task.model), makeCaptionTokenizer(task.captions), {
    seed: training.seed,
    compute: precision,
    device,
    objective,
  })
  const parameters = model.parameterCount
  onMessage(
    `${name}: ${task.data.length} images to learn from, ${task.testLength} to be tested on.\n` +
      `One transformer of ${parameters.toLocaleString('en')} parameters learns to generate and to describe them, for ` +
      `${minutes} minutes:`,
  )
  const samples = { every: sheetSteps, prompts, ...images }
  const config = { data: name, model: task.model, precision, objective, training, samples }
  await writeJson(join(out, runFiles.config), config)
  const matmulRate = await measureMatmulRate(precision, device)
  const recorder = await RunRecorder.open(out, {
    step: 0,
    seconds: 0,
    every: 10,
    tensorboard: false,
    parameters,
    config,
    matmulRate,
  })
  await recordedRun(out, recorder, hooks, async () => {
    using trainer = new Trainer(model, task.data, training)
    hooks.onTrainingStart?.({ matmulRate })
    await train(trainer, model, task, recorder, hooks)
    const { steps: train_steps, seconds: train_seconds } = trainer.done
    await model.save(runPaths(out).model)
    const { metrics, sheet } = await task.evaluate(model, onMessage)
    const total_seconds = (performance.now() - started) / 1000
    const all = { ...metrics, train_seconds, train_steps, total_seconds }
    await writeResult(out, all, drawContactSheet(sheet), onMessage)
    return 'finished'
  })
}

async function train(
  trainer: Trainer,
  model: Transfusion,
  { prompts, images }: DemoTask,
  recorder: RunRecorder,
  { signal, onStep, onTrainingEnd, onWarning }: SessionHooks & RunMessages,
): Promise<void> {
  const writeSamples = async (step: number) => {
    await recorder.samples(step, await model.generateImages(prompts, undefined, images), prompts)
    await recorder.flush()
  }
  let completed = false
  try {
    await trainer.run({
      ...(signal && { signal }),
      onStep: (report) => {
        onStep?.(report)
        recorder.step(report)
      },
      every: { steps: sheetSteps, run: writeSamples },
      onWarning,
    })
    await writeSamples(trainer.done.steps)
    completed = !signal?.aborted
  } finally {
    onTrainingEnd?.(completed)
  }
}
