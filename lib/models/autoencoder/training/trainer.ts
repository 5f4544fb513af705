import { checkArguments } from '../../../arguments.js'
import { parseConfig } from '../../../config/parse.js'
import type { ImageSize } from '../../../image/image.js'
import { TaskTrainer } from '../../../training/task_trainer.js'
import type { LoadedAutoencoder } from '../io/folder.js'
import { CodebookUse } from './codebook_use.js'
import { PatchDiscriminator, sizeProblem } from './discriminator.js'
import { checkJudges, type GivenJudges } from './judges.js'
import {
  type AutoencoderTrainingOptions,
  autoencoderTrainingSchema,
  type AutoencoderTrainingSettings,
  trainerOptions,
} from './options.js'
import { type AutoencoderData, autoencoderTask } from './task.js'

/**
 * Trains an autoencoder, and beside it a discriminator where its loss has one. One trainer at a time: a second `run` or
 * `restore` of a model on its way rejects. `save`, and the model's own, may be called at any time; other uses of the model while
 * it is trained see its weights change.
 */
export class AutoencoderTrainer extends TaskTrainer {
  readonly #discriminator: PatchDiscriminator | undefined
  readonly #codes: CodebookUse | undefined

  /**
   * `judges`: networks of the caller's that the loss compares images by, which stay as they are. Throws a ConfigError that names
   * what is wrong in the settings, an Error where images are too small for a discriminator.
   */
  constructor(
    autoencoder: LoadedAutoencoder,
    data: AutoencoderData,
    settings: AutoencoderTrainingSettings,
    judges: GivenJudges = {},
  ) {
    checkArguments('AutoencoderTrainer', {
      autoencoder: [autoencoder, 'autoencoder'],
      data: [data, 'object'],
    })
    checkJudges('AutoencoderTrainer', judges)
    const options = parseConfig(autoencoderTrainingSchema, settings, 'training options')
    for (const term of ['perceptual', 'identity'] as const)
      if (options.loss[term] && !judges[term])
        throw new Error(
          `AutoencoderTrainer: loss.${term}: expected judges.${term} in its place, a network: a trainer reads no weights`,
        )
    const discriminator = discriminatorFor(autoencoder, data.images, options)
    const codes = codesOf(autoencoder, options)
    const parts = { ...judges, discriminator, codes }
    super(autoencoderTask(autoencoder, data, options, parts), trainerOptions(options))
    this.#discriminator = discriminator
    this.#codes = codes
  }

  /** Frees the optimizers, the average, the discriminator and the counts of codes; the model stays. */
  override [Symbol.dispose](): void {
    super[Symbol.dispose]()
    this.#discriminator?.[Symbol.dispose]()
    this.#codes?.[Symbol.dispose]()
  }
}

const codesOf = ({ network }: LoadedAutoencoder, { loss }: AutoencoderTrainingOptions) =>
  network.config.codebook
    ? new CodebookUse(network.codebook, network.arena, { restartAfter: loss.codebook.restartAfter })
    : undefined

function discriminatorFor(
  { network: { arena, config } }: LoadedAutoencoder,
  images: ImageSize,
  { seed, loss }: AutoencoderTrainingOptions,
): PatchDiscriminator | undefined {
  if (!loss.discriminator) return undefined
  const { channels, layers } = loss.discriminator
  const problem = sizeProblem(images, layers)
  if (problem) throw new Error(`AutoencoderTrainer: loss.discriminator.layers: expected fewer: ${problem}`)
  const sizes = { imageChannels: config.imageChannels, channels, layers }
  const discriminator = new PatchDiscriminator(sizes, arena.compute, arena.device)
  // Other weights than those that the autoencoder begins with.
  discriminator.arena.initialize(seed + 1)
  return discriminator
}
