import { z } from 'zod'
import { samplerSchema } from '../../diffusion/samplers.js'
import { imageSamplingSchema } from '../../generation/options.js'
import { deviceSchema } from '../../tensor/device_config.js'
import { classTaskSchema } from './evaluate_config.js'

/** The file that `transfusion samplers` reads; the command line's options go before it. */
export const samplersConfigSchema = z.strictObject({
  /** The real images that generated ones are compared with. */
  data: classTaskSchema.shape.data,
  caption: classTaskSchema.shape.caption,
  /** By default all that suit the model. The first is what others are compared with. */
  samplers: z.array(samplerSchema).min(1).optional(),
  /** The most, by default the paper's 250, are what fewer are compared with. */
  steps: z.array(imageSamplingSchema.shape.steps.unwrap()).min(1).default([250, 100, 50, 25, 15, 10, 5]),
  guidance: imageSamplingSchema.shape.guidance.default(1.5),
  guidanceInterval: imageSamplingSchema.shape.guidanceInterval,
  /** Images of each class for each setting; standard errors need three. */
  perClass: z.int().min(3).default(50),
  /** Everything random follows from it: the generated images and the classifier. */
  seed: z.int().min(0).default(0),
  /** bf16: f32 weights, rounded to bf16 for computing. */
  precision: z.enum(['f32', 'bf16']).default('f32'),
  /** Where the model runs: cpu, cuda or cuda:1, as far as the build has it. */
  device: deviceSchema,
})

/** How samplers are compared, defaults filled in. */
export type SamplersConfig = z.output<typeof samplersConfigSchema>
