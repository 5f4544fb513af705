/**
 * Whether a regular expression repeats without bound what repeats without bound within: backtracking may try every division
 * of a text into such repeats. Those that no text can divide in two ways are found too: this looks at the form alone.
 */
export function hasNestedRepeats(pattern: string): boolean {
  const bare = withoutClasses(pattern.replaceAll(ESCAPE, '.'))
  /** By open group: whether it has an unbounded repeat. */
  const groups = [false]
  for (let i = 0; i < bare.length; i++) {
    const repeated = UNBOUNDED.test(bare.slice(i + 1, i + LONGEST_REPEAT))
    if (bare[i] === '(') groups.push(false)
    else if (bare[i] === ')') {
      const inner = groups.pop()
      if (inner && repeated) return true
      groups[groups.length - 1] ||= inner || repeated
    } else if (repeated && !QUANTIFIER.test(bare[i]!)) groups[groups.length - 1] = true
  }
  return false
}

const ESCAPE = /\\(?:[pPxku]\{[^}]*\}|.)/gsu
/** One without classes within it. */
const CHARACTER_CLASS = /\[\^?\]?[^[\]]*\]/g
const QUANTIFIER = /[*+?}]/
/** A repeat that gives back what it took: a possessive one does not. */
const UNBOUNDED = /^(?:[*+]|\{\d+,\})(?!\+)/
const LONGEST_REPEAT = 16

/** Each character class as one character. */
function withoutClasses(pattern: string): string {
  const without = pattern.replaceAll(CHARACTER_CLASS, '.')
  return without === pattern ? pattern : withoutClasses(without)
}
