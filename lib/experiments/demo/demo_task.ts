import type { ContactSheet } from '../../image/contact_sheet.js'
import type { ImageDataset } from '../../data/sources/image_dataset.js'
import type { Objective } from '../../diffusion/objective.js'
import type { ImageGenerationOptions } from '../../generation/options.js'
import type { ModelParts } from '../../models/transfusion/folder.js'
import type { TrainingOptions } from '../../training/options.js'
import type { ModelOptions } from '../../run/train_config.js'

/** What the command line says of a run of the demo. */
export interface DemoSettings {
  /** Of training. */
  readonly minutes: number
  readonly seed: number
}

/** What the demo learns, how, and how well it did: one file for each data set. */
export interface DemoTask {
  /** Of the data. */
  readonly name: string
  readonly training: ImageDataset
  /** Number of images that are kept back for tests. */
  readonly testLength: number
  /** The tokenizer knows their words. */
  readonly captions: readonly string[]
  /** Captions that are drawn from while it learns. */
  readonly prompts: readonly string[]
  readonly model: ModelOptions
  readonly objective: Partial<Objective>
  readonly options: TrainingOptions
  /** How images are drawn. */
  readonly images: ImageGenerationOptions
  /** Judges a trained model; `say` is told what begins. */
  evaluate(model: ModelParts, say: (line: string) => void): Promise<DemoResult>
}

export interface DemoResult {
  /** As written to JSON. */
  readonly figures: Readonly<Record<string, number>>
  /** Drawn and described images. */
  readonly sheet: ContactSheet
}
