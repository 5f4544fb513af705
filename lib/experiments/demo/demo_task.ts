import type { z } from 'zod'
import type { ContactSheet } from '../../image/contact_sheet.js'
import type { ImageDataset } from '../../data/sources/image_dataset.js'
import type { Objective } from '../../diffusion/objective.js'
import type { imageGenerationConfigSchema } from '../../generation/options.js'
import type { GenerativeModel } from '../../generation/model.js'
import type { TransfusionTrainingSettings } from '../../models/transfusion/training/options.js'
import type { ModelOptions } from '../../models/transfusion/model_options.js'

/** The settings of a run of the demo. */
export interface DemoSettings {
  /** Of training. */
  readonly minutes: number
  readonly seed: number
  /** Pixels along a side of the emoji, 32 by default. */
  readonly side?: number | undefined
  /** How images are generated, where it differs from the demo's choices. */
  readonly images?: Partial<DemoTask['images']> | undefined
}

/** The data of a demo, its model, how it is trained and how it is evaluated: one file for each data set. */
export interface DemoTask {
  /** Of the data. */
  readonly name: string
  /** What the model is trained on. */
  readonly data: ImageDataset
  /** Number of images that are kept back for tests. */
  readonly testLength: number
  /** The tokenizer knows their words. */
  readonly captions: readonly string[]
  /** Captions that images are generated from during training. */
  readonly prompts: readonly string[]
  readonly model: ModelOptions
  readonly objective: Partial<Objective>
  /** Of training. */
  readonly minutes: number
  /** How the model is trained, but for how long. */
  readonly training: Omit<TransfusionTrainingSettings, 'steps' | 'minutes'>
  /** How images are generated. */
  readonly images: z.input<typeof imageGenerationConfigSchema>
  /** Evaluates a trained model; `onMessage` receives a line on each part that begins. */
  evaluate(model: GenerativeModel, onMessage: (line: string) => void): Promise<DemoResult>
}

/** The evaluation of a trained model. */
export interface DemoResult {
  /** As written to JSON. */
  readonly metrics: Readonly<Record<string, number>>
  /** Generated and described images. */
  readonly sheet: ContactSheet
}
