/** Why something of the data is not read. */
export type LeftOutReason =
  'document' | 'uncaptioned' | 'imageless' | 'unread' | 'run' | 'special' | 'empty' | 'member' | 'extra'

/** What is left out for each reason, in words: one of them, and several. */
const words: Readonly<Record<LeftOutReason, readonly [one: string, several: string]>> = {
  document: ['document that cannot be read', 'documents that cannot be read'],
  uncaptioned: ['image without a caption', 'images without a caption'],
  imageless: ['text without an image', 'texts without an image'],
  unread: ['other file', 'other files'],
  run: ['folder of a run', 'folders of runs'],
  special: ['pipe, socket or device', 'pipes, sockets or devices'],
  empty: ['empty file', 'empty files'],
  member: ['member of an archive that belongs to no sample', 'members of archives that belong to no sample'],
  extra: ["member beside a sample's image and caption", "members beside the samples' images and captions"],
}

interface Group {
  readonly first: string
  /** How many at each place. */
  readonly counts: Map<string, number>
}

/** What is not read of some data, by reason: how many, and which was the first. */
export class LeftOut {
  readonly #groups = new Map<LeftOutReason, Group>()

  /**
   * Counts what is left out at `place`, a file or a folder: once, however often it is read; of two counts the larger
   * stands. `first` names the first of several. Returns whether the place is new.
   */
  count(reason: LeftOutReason, place: string, number = 1, first = place): boolean {
    let group = this.#groups.get(reason)
    if (!group) this.#groups.set(reason, (group = { first, counts: new Map() }))
    const before = group.counts.get(place)
    group.counts.set(place, Math.max(before ?? 0, number))
    return before === undefined
  }

  /** Counts a document that is left out, by the name that messages give it. Returns whether it is new. */
  countDocument({ name, reason = 'document' }: { name: string; reason?: LeftOutReason }): boolean {
    return this.count(reason, name)
  }

  /** Counts what another has counted. */
  include(other: LeftOut): void {
    for (const [reason, { first, counts }] of other.#groups)
      for (const [place, number] of counts) this.count(reason, place, number, first)
  }

  /** How many are left out for a reason. */
  total(reason: LeftOutReason): number {
    let sum = 0
    for (const number of this.#groups.get(reason)?.counts.values() ?? []) sum += number
    return sum
  }

  /** A line for each reason: "left out: 3 images without a caption (first: shots/a.png)". */
  get summary(): string[] {
    return [...this.#groups].map(([reason, { first }]) => {
      const total = this.total(reason)
      const [one, several] = words[reason]
      return total === 1 ? `left out: 1 ${one} (${first})` : `left out: ${total} ${several} (first: ${first})`
    })
  }
}
