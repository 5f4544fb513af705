/**
 * The candidate that a mistyped name most likely meant: the one at the smallest edit distance (insertion,
 * deletion, substitution, swap of neighbours; case ignored), or undefined where none is near enough to be a
 * typing error: more than a third of the longer name would have to change (our choice).
 */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Infinity
  for (const candidate of candidates) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    const limit = Math.max(1, Math.floor(Math.max(name.length, candidate.length) / 3))
    if (distance <= limit && distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** The only candidate of which a name is the beginning, "warmup" of "warmupSteps", case and underscores ignored. */
function longerName(name: string, candidates: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[_-]/g, '')
  const longer = candidates.filter((candidate) => plain(candidate).startsWith(plain(name)))
  return longer.length === 1 ? longer[0] : undefined
}

/**
 * `; did you mean "X"?` where a near candidate exists, or one that goes on where the name ends, else the list of what is
 * known.
 */
export function suggestion(name: string, candidates: readonly string[]): string {
  const match = nearest(name, candidates) ?? longerName(name, candidates)
  return match === undefined ? `; known: ${candidates.join(', ')}` : `; did you mean "${match}"?`
}

function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const substitution = previous[column - 1] + (a[row - 1] === b[column - 1] ? 0 : 1)
      let distance = Math.min(previous[column] + 1, current[column - 1] + 1, substitution)
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (swapped) distance = Math.min(distance, beforePrevious[column - 2] + 1)
      current.push(distance)
    }
    beforePrevious = previous
    previous = current
  }
  return previous[b.length]
}
