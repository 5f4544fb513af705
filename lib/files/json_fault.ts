import { printParseErrorCode, visit } from 'jsonc-parser'

/** What a config may have that strict JSON has not. */
export interface JsonDialect {
  /** Comments, and a comma after the last item. */
  comments: boolean
}

/** What else stood where a value or a name should be, and what JSON has in its place. */
const misspelled: readonly [RegExp, string][] = [
  [/^[-+]?(NaN|Infinity|inf)$/i, 'which Python writes and JSON does not have'],
  [/^(True|False|None)$/, 'which is Python, where JSON has true, false and null'],
  [/^undefined$/, 'which JSON does not have'],
  [/^['“”„‘’`]/, 'where JSON has double quotes: "'],
  [/^#/, 'which begins no comment'],
  [/^\s+$/u, 'which is no space that JSON knows'],
]

/**
 * The first place where a text is not JSON: "line 3, column 5: expected a comma; received "steps"". Undefined where none
 * is found.
 */
export function jsonFault(text: string, { comments }: JsonDialect): string | undefined {
  if (text.trim() === '') return 'it is empty'
  let fault: { code: string; offset: number; line: number; column: number } | undefined
  try {
    visit(
      text,
      {
        onError: (code, offset, _length, line, column) => {
          fault ??= { code: printParseErrorCode(code), offset, line: line + 1, column: column + 1 }
        },
      },
      { disallowComments: !comments, allowTrailingComma: comments },
    )
  } catch {
    return 'it is nested too deeply'
  }
  if (!fault) return undefined
  // A file of one line is often a line of another file, which its name then says.
  const place = text.trimEnd().includes('\n')
    ? `line ${fault.line}, column ${fault.column}`
    : `column ${fault.column}`
  return `${place}: ${explain(fault.code, text.slice(fault.offset))}`
}

function explain(code: string, rest: string): string {
  const received = receivedAt(rest)
  const expected = expectations[code]
  if (expected !== undefined) return `expected ${expected}; received ${received}`
  switch (code) {
    case 'UnexpectedEndOfString':
      return 'a text is not closed: expected " on the same line'
    case 'UnexpectedEndOfComment':
      return 'a comment is not closed: expected */'
    case 'InvalidCharacter':
      return 'a text holds a tab or another control character: expected an escape, \\t or \\u0009'
    case 'InvalidEscapeCharacter':
      return `a text holds a backslash that begins no escape: expected two of them, \\\\, in ${received}`
    case 'InvalidUnicode':
      return 'expected four hexadecimal digits after \\u'
    case 'InvalidCommentToken':
      return `received a comment, but JSON has no comments`
    default:
      return `expected ${isKey(rest) ? 'a key' : 'a number, true, false, null, or text'} in double quotes; received ${received}`
  }
}

const expectations: Record<string, string> = {
  InvalidNumberFormat: 'a number',
  UnexpectedEndOfNumber: 'digits after a decimal point or an exponent',
  PropertyNameExpected: 'a key in double quotes',
  ValueExpected: 'a value',
  ColonExpected: 'a colon after the key',
  CommaExpected: 'a comma',
  CloseBraceExpected: 'a comma or }',
  CloseBracketExpected: 'a comma or ]',
  EndOfFileExpected: 'nothing after the value',
}

/** Whether a colon follows the word that a text begins with. */
const isKey = (rest: string): boolean => /^['\w-]+\s*:/.test(rest)

const longestWord = 30

/** The word or sign that a text begins with, and what is wrong with it where that is known. */
function receivedAt(rest: string): string {
  if (rest === '') return 'the end'
  const [word] = /^(?:"[^"\n]*"?|'[^'\n]*'?|\/\/|\/\*|[-+.\p{L}\p{N}_$]+|[^]?)/u.exec(rest)!
  const shown = word.length > longestWord ? `${word.slice(0, longestWord)}...` : word
  const note = misspelled.find(([pattern]) => pattern.test(word))?.[1]
  return (/^[\s\p{C}]/u.test(word) ? codePoint(word) : shown) + (note === undefined ? '' : `, ${note}`)
}

const codePoint = (character: string): string =>
  `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`
