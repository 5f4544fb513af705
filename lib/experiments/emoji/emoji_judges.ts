import { type EmojiDataset, emojiSide, type EmojiPicture } from '../../datasets/emoji/emoji.js'
import { emojiStyles } from '../../datasets/emoji/emoji_names.js'
import type { Image } from '../../image/image.js'
import { concatenateImages } from '../../image/pixels.js'
import type { Features } from '../../evaluation/features.js'
import { accuracy } from '../../evaluation/figures.js'
import { Judge } from '../../evaluation/judge.js'

/** After ten the judges know every training picture, and find no more of the others. */
const epochs = 10

/** What the judges see in images. */
export interface JudgedEmoji {
  /** `[N]`, indices of groups. */
  readonly groups: Int32Array
  /** `[N]`, indices into `emojiStyles`. */
  readonly styles: Int32Array
  /** Of the judge of groups: by them one finds the same emoji in another style best. */
  readonly features: Features
}

/** A judge that tells groups of emoji, and one that tells styles: both are trained on real pictures. */
export class EmojiJudges {
  private constructor(
    private readonly group: Judge,
    private readonly style: Judge,
    private readonly groups: readonly string[],
  ) {}

  /** Trains both. Rejects with the signal's reason when it aborts. */
  static async train(
    { pictures, classNames }: EmojiDataset,
    { seed, signal }: { seed: number; signal?: AbortSignal },
  ): Promise<EmojiJudges> {
    const images = concatenateImages(pictures.map(({ image }) => image))
    const common = { images, side: emojiSide, channels: 3, seed, epochs, signal } as const
    const group = await Judge.train({
      ...common,
      labels: pictures.map((picture) => classNames.indexOf(picture.group)),
      classes: classNames.length,
    })
    try {
      const style = await Judge.train({
        ...common,
        labels: pictures.map((picture) => emojiStyles.indexOf(picture.style)),
        classes: emojiStyles.length,
      })
      return new EmojiJudges(group, style, classNames)
    } catch (error) {
      group[Symbol.dispose]()
      throw error
    }
  }

  /** Looks at images of 32 x 32 pixels in RGB. */
  async judge(images: readonly Image[]): Promise<JudgedEmoji> {
    const bytes = concatenateImages(images)
    const { classes: groups, features } = await this.group.judge(bytes)
    const { classes: styles } = await this.style.judge(bytes)
    return { groups, styles, features }
  }

  /** Share of the images in which the judges see the groups, and the styles, of these pictures. */
  accuracies(
    { groups, styles }: JudgedEmoji,
    asked: readonly EmojiPicture[],
  ): { group: number; style: number } {
    return {
      group: accuracy(
        groups,
        asked.map(({ group }) => this.groups.indexOf(group)),
      ),
      style: accuracy(
        styles,
        asked.map(({ style }) => emojiStyles.indexOf(style)),
      ),
    }
  }

  /** Frees both. */
  [Symbol.dispose](): void {
    this.group[Symbol.dispose]()
    this.style[Symbol.dispose]()
  }
}
