import type { EmojiPicture } from '../../datasets/emoji/emoji.js'
import { type EmojiStyle, emojiStyles, otherStyle } from '../../datasets/emoji/emoji_names.js'
import { type Features, takeRows } from '../../evaluation/image_metrics/features.js'
import { mean } from '../../evaluation/image_metrics/moments.js'
import { retrievalAuc, squaredDistance } from '../../evaluation/image_metrics/retrieval.js'

/** A name in a style. */
type Pair = Pick<EmojiPicture, 'name' | 'style'>

/** The real pictures as candidates, which generated images retrieve by the distance of their features. */
export class EmojiRetrieval {
  readonly #features: Features
  /** The row of each name, by style. */
  readonly #rows: Record<EmojiStyle, Map<string, number>>

  /** `features`: one row for each picture. */
  constructor(pictures: readonly Pair[], features: Features) {
    this.#features = features
    this.#rows = { noto: new Map(), fluent: new Map() }
    pictures.forEach(({ name, style }, row) => this.#rows[style].set(name, row))
  }

  /** How well images retrieve the real pictures of their target pairs among those of the same style; see EmojiMetrics. */
  retrieve(images: Features, targets: readonly Pair[]): { at1: number; auc: number } {
    const aucs = emojiStyles.flatMap((style) => {
      const rows = this.#rows[style]
      const candidate = new Map([...rows.keys()].map((name, i) => [name, i]))
      const queries = Int32Array.from(targets.keys()).filter((i) => targets[i]!.style === style)
      return retrievalAuc(
        takeRows(images, queries),
        takeRows(this.#features, Int32Array.from(rows.values())),
        Array.from(queries, (i) => candidate.get(targets[i]!.name)!),
      )
    })
    return { at1: mean(aucs.map((auc) => Number(auc === 1))), auc: mean(aucs) }
  }

  /** The features of each name's picture in the other style. */
  otherStyle(pairs: readonly Pair[]): Features {
    return takeRows(
      this.#features,
      Int32Array.from(pairs, (pair) => this.#otherRow(pair)),
    )
  }

  /** Share of the images that are nearer to the picture of their target pair than to the name's in the other style. */
  styleRetrievalAt1(images: Features, targets: readonly Pair[]): number {
    const isNearer = (pair: Pair, i: number) => {
      const distance = (row: number) => squaredDistance(images, i, this.#features, row)
      return distance(this.#rows[pair.style].get(pair.name)!) < distance(this.#otherRow(pair))
    }
    return mean(targets.map((pair, i) => Number(isNearer(pair, i))))
  }

  #otherRow({ name, style }: Pair): number {
    return this.#rows[otherStyle(style)].get(name)!
  }
}
