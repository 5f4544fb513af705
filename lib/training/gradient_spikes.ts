const averagedSteps = 100
/** Norms before which none is called a spike. */
const settlingSteps = 20

/** Tells gradient norms that stand out: more than `factor` times a running mean over about a hundred steps. */
export class GradientSpikes {
  #mean: number
  #count: number

  /** `state`: as an earlier one gave it, to go on from. */
  constructor(
    readonly factor: number,
    { mean, count } = { mean: 0, count: 0 },
  ) {
    this.#mean = mean
    this.#count = count
  }

  /** The mean so far, and the number of norms in it. */
  get state(): { mean: number; count: number } {
    return { mean: this.#mean, count: this.#count }
  }

  /** Whether this norm is a spike; it then counts as if it were at the limit. One that is not finite is left out. */
  add(norm: number): boolean {
    if (!Number.isFinite(norm)) return false
    const limit = this.factor * this.#mean
    const spike = this.#count >= settlingSteps && norm > limit
    this.#count++
    this.#mean += ((spike ? limit : norm) - this.#mean) / Math.min(this.#count, averagedSteps)
    return spike
  }
}
