/**
 * Whether a regular expression repeats without bound what repeats without bound within: backtracking may try every division
 * of a text into such repeats. Those that no text can divide in two ways are found too: this looks at the form alone.
 */
export function hasNestedRepeats(pattern: string): boolean {
  const bare = withoutClasses(pattern.replaceAll(escapeSequence, '.'))
  /** By open group: whether it has an unbounded repeat. */
  const groups = [false]
  for (let i = 0; i < bare.length; i++) {
    const repeated = unbounded.test(bare.slice(i + 1, i + longestRepeat))
    if (bare[i] === '(') groups.push(false)
    else if (bare[i] === ')') {
      const inner = groups.pop()
      if (inner && repeated) return true
      groups[groups.length - 1] ||= inner || repeated
    } else if (repeated && !quantifier.test(bare[i]!)) groups[groups.length - 1] = true
  }
  return false
}

const escapeSequence = /\\(?:[pPxku]\{[^}]*\}|.)/gsu
/** One without classes within it. */
const characterClass = /\[\^?\]?[^[\]]*\]/g
const quantifier = /[*+?}]/
/** A repeat that gives back what it took: a possessive one does not. */
const unbounded = /^(?:[*+]|\{\d+,\})(?!\+)/
const longestRepeat = 16

/** Each character class as one character. */
function withoutClasses(pattern: string): string {
  const without = pattern.replaceAll(characterClass, '.')
  return without === pattern ? pattern : withoutClasses(without)
}
