import type { ClassReference } from './class_reference.js'

/**
 * Classifiers that were trained to measure one model's images, for those of the next: metrics are comparable only within
 * one. To be freed, with all of them.
 */
export class ClassReferences {
  readonly #made = new Map<string, ClassReference>()

  /** The one for these data and settings, which `train` makes where there is none. */
  async get(settings: unknown, train: () => Promise<ClassReference>): Promise<ClassReference> {
    const key = JSON.stringify(settings)
    const known = this.#made.get(key)
    if (known) return known
    const made = await train()
    this.#made.set(key, made)
    return made
  }

  /** Frees the classifiers. */
  [Symbol.dispose](): void {
    for (const reference of this.#made.values()) reference[Symbol.dispose]()
    this.#made.clear()
  }
}
