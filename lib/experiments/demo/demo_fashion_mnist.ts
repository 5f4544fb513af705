import { parseConfig } from '../../config/parse.js'
import { evaluateClasses } from '../../evaluation/classes/evaluate_classes.js'
import { openClasses } from '../../evaluation/tasks/class_data_config.js'
import { demoImages, demoObjective, demoTraining, longMinutes } from './demo_config.js'
import { fashionMnistSheet } from './demo_fashion_mnist_sheet.js'
import type { DemoSettings, DemoTask } from './demo_task.js'
import { modelOptionsSchema } from '../../models/transfusion/model_options.js'

/** One short caption per class: the class's name with its article. */
export const fashionMnistCaption = '{a label}'

/** 0.85 M parameters, of which two cores take some 40 steps a second, or in long runs 2.3 M at half the rate. */
export const fashionMnistModel = (minutes: number) =>
  parseConfig(
    modelOptionsSchema,
    {
      ...(minutes < longMinutes
        ? { preset: 'tiny' }
        : { layers: 6, channels: 192, heads: 6, feedForward: 512 }),
      image: {
        channels: 1,
        // 16 patches of 7 x 7 pixels: a short sequence, so that minutes suffice.
        patch: 7,
        height: 28,
        width: 28,
        // A 49-value patch has little room for a timestep; after the layer it has all channels.
        timestep: 'after',
        // A patch's place matters more than its distance to others: images are centred.
        positions: 'sincos',
      },
    },
    'demo model',
  )

/** 1,000 generated images and the 10,000 test images. */
const evaluation = { perClass: 100, described: 10_000, ranked: 0 }

/** Garments and shoes in ten classes. Rejects with an Error that says how to get the data where they are missing. */
export async function openFashionMnistTask(settings: DemoSettings): Promise<DemoTask> {
  const { name, ...data } = await openClasses({ type: 'fashion-mnist' }, fashionMnistCaption)
  const { training, test, captions } = data
  const images = demoImages(settings.minutes)
  return {
    name,
    data: training,
    testLength: test.length,
    captions,
    prompts: captions,
    model: fashionMnistModel(settings.minutes),
    objective: demoObjective,
    minutes: settings.minutes,
    training: demoTraining(settings),
    images,
    async evaluate(model, onMessage) {
      const { seed } = settings
      const { metrics, generated, described } = await evaluateClasses(model, data, {
        ...evaluation,
        images,
        seed,
        onMessage,
      })
      return {
        metrics: { ...metrics },
        sheet: fashionMnistSheet({
          generated: generated!.images,
          described: described.slice(0, 20),
          captions,
          name,
        }),
      }
    },
  }
}
