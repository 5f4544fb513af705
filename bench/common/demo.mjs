// The demo's training on Fashion-MNIST, without its command.
import { openFashionMnistTask } from '../../dist/experiments/demo/demo_fashion_mnist.js'
import { modelOptions } from '../../dist/models/transfusion/model_options.js'
import { makeCaptionTokenizer, Trainer, Transfusion } from '../../dist/index.js'
import { deviceInfo } from '../../dist/entry/tensor.js'
import { transfusionTrainingSchema } from '../../dist/models/transfusion/training/options.js'

/** What the demo computes in on this machine. */
export const demoCompute = deviceInfo().nativeBf16 ? 'bf16' : 'f32'

/** Its data, sizes and options, as for the shortest run. */
export const openDemo = (seed = 0) => openFashionMnistTask({ minutes: 1, seed })

/** A new model of the demo, its options and a trainer for so many steps; `changes` to what the demo trains with. */
export function newDemoRun({ data, captions, model: sizes, objective, training }, steps, changes = {}) {
  const model = Transfusion.create(modelOptions(sizes), makeCaptionTokenizer(captions), {
    seed: training.seed,
    compute: demoCompute,
    objective,
  })
  const runOptions = transfusionTrainingSchema.parse({ ...training, steps, ...changes })
  return { model, options: runOptions, trainer: new Trainer(model, data, runOptions) }
}
