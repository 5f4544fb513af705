import type { EmojiPicture } from '../../datasets/emoji/emoji.js'
import { type EmojiStyle, emojiStyles, otherStyle } from '../../datasets/emoji/emoji_names.js'
import { type Features, takeRows } from '../../evaluation/features.js'
import { mean } from '../../evaluation/moments.js'
import { sharesFarther, squaredDistance } from '../../evaluation/retrieval.js'

/** A name in a style. */
type Pair = Pick<EmojiPicture, 'name' | 'style'>

/** The real pictures, to find drawn ones among by their features. */
export class EmojiGallery {
  readonly #features: Features
  /** The row of each name, by style. */
  readonly #rows: Record<EmojiStyle, Map<string, number>>

  /** `features`: one row for each picture. */
  constructor(pictures: readonly Pair[], features: Features) {
    this.#features = features
    this.#rows = { noto: new Map(), fluent: new Map() }
    pictures.forEach(({ name, style }, row) => this.#rows[style].set(name, row))
  }

  /** How well images are found, by the features of each and the pair that it is to show; see EmojiFigures. */
  find(images: Features, asked: readonly Pair[]): { found: number; farther: number } {
    const shares = emojiStyles.flatMap((style) => {
      const rows = this.#rows[style]
      const place = new Map([...rows.keys()].map((name, i) => [name, i]))
      const queries = Int32Array.from(asked.keys()).filter((i) => asked[i]!.style === style)
      return sharesFarther(
        takeRows(images, queries),
        takeRows(this.#features, Int32Array.from(rows.values())),
        Array.from(queries, (i) => place.get(asked[i]!.name)!),
      )
    })
    return { found: mean(shares.map((share) => Number(share === 1))), farther: mean(shares) }
  }

  /** The features of each name's picture in the other style. */
  otherStyle(pairs: readonly Pair[]): Features {
    return takeRows(
      this.#features,
      Int32Array.from(pairs, (pair) => this.#otherRow(pair)),
    )
  }

  /** Share of the images that are nearer to the picture of their pair than to the name's in the other style. */
  restyled(images: Features, asked: readonly Pair[]): number {
    const isNearer = (pair: Pair, i: number) => {
      const distance = (row: number) => squaredDistance(images, i, this.#features, row)
      return distance(this.#rows[pair.style].get(pair.name)!) < distance(this.#otherRow(pair))
    }
    return mean(asked.map((pair, i) => Number(isNearer(pair, i))))
  }

  #otherRow({ name, style }: Pair): number {
    return this.#rows[otherStyle(style)].get(name)!
  }
}
