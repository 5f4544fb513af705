import { type EmojiDataset, emojiSide, type EmojiPicture } from '../../datasets/emoji/emoji.js'
import { emojiStyles } from '../../datasets/emoji/emoji_names.js'
import type { Image } from '../../image/image.js'
import { readImage } from '../../image/image_io.js'
import { concatenateImages } from '../../image/pixels.js'
import type { Features } from '../../evaluation/image_metrics/features.js'
import { accuracy } from '../../evaluation/image_metrics/image_metrics.js'
import { ImageClassifier } from '../../evaluation/classes/image_classifier.js'

/** After ten epochs the classifiers know every training picture, and the accuracy on others no longer rises. */
const epochs = 10
/** Larger pictures are reduced to this side, pixels: at 64 the classifiers are hardly better and take four times as long. */
const largestSide = emojiSide

/** What the two classifiers give for N images. */
export interface EmojiClassifierOutput {
  /** `[N]`, predicted indices of groups. */
  readonly groups: Int32Array
  /** `[N]`, predicted indices into `emojiStyles`. */
  readonly styles: Int32Array
  /** Of the classifier of groups: they retrieve the same emoji in another style best. */
  readonly features: Features
}

/** A classifier of emoji groups and one of styles, both trained on real pictures. */
export class EmojiClassifiers {
  private constructor(
    private readonly group: ImageClassifier,
    private readonly style: ImageClassifier,
    private readonly groups: readonly string[],
  ) {}

  /** Trains both. Rejects with the signal's reason when it aborts. */
  static async train(
    { pictures, classNames }: EmojiDataset,
    { seed, signal }: { seed: number; signal?: AbortSignal },
  ): Promise<EmojiClassifiers> {
    const side = Math.min(largestSide, pictures[0]!.image.width)
    const images = await bytesOf(
      pictures.map(({ image }) => image),
      side,
    )
    const common = { images, side, channels: 3, seed, epochs, signal } as const
    const group = await ImageClassifier.train({
      ...common,
      labels: pictures.map((picture) => classNames.indexOf(picture.group)),
      classes: classNames.length,
    })
    try {
      const style = await ImageClassifier.train({
        ...common,
        labels: pictures.map((picture) => emojiStyles.indexOf(picture.style)),
        classes: emojiStyles.length,
      })
      return new EmojiClassifiers(group, style, classNames)
    } catch (error) {
      group[Symbol.dispose]()
      throw error
    }
  }

  /** Classifies images of the training pictures' size in RGB. */
  async classify(images: readonly Image[]): Promise<EmojiClassifierOutput> {
    const bytes = await bytesOf(images, this.group.side)
    const { classes: groups, features } = await this.group.classify(bytes)
    const { classes: styles } = await this.style.classify(bytes)
    return { groups, styles, features }
  }

  /** Share of the images that the classifiers recognise as of the groups, and the styles, of these pictures. */
  accuracies(
    { groups, styles }: EmojiClassifierOutput,
    targets: readonly EmojiPicture[],
  ): { group: number; style: number } {
    return {
      group: accuracy(
        groups,
        targets.map(({ group }) => this.groups.indexOf(group)),
      ),
      style: accuracy(
        styles,
        targets.map(({ style }) => emojiStyles.indexOf(style)),
      ),
    }
  }

  /** Frees both. */
  [Symbol.dispose](): void {
    this.group[Symbol.dispose]()
    this.style[Symbol.dispose]()
  }
}

/** Images in a row, reduced to a side where they are larger. */
async function bytesOf(images: readonly Image[], side: number): Promise<Uint8Array> {
  const reduced = images.map((image) =>
    image.width === side ? image : readImage(image, { width: side, height: side, channels: 3 }),
  )
  return concatenateImages(await Promise.all(reduced))
}
