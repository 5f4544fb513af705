import { checkArguments } from '../../arguments.js'

/** A run of letters and digits, with the signs inside it that belong to it: "t-shirt", "o'clock", "sink/toilet", "2,000", "10:30". */
const word = String.raw`[\p{L}\p{M}\p{N}]+(?:(?:[-'/]|(?<=\d)[.,:](?=\d))[\p{L}\p{M}\p{N}]+)*`

/** With the dots that belong to it: "u.s.", "mr.". */
const abbreviation = String.raw`(?:\p{L}\.){2,}|(?<![\p{L}\p{N}])(?:mr|mrs|ms|dr|st|jr|sr|vs|etc|no(?=\.\s*\d))\.`

/** Brackets, and signs that count as words; other punctuation does not. */
const sign = String.raw`[()[\]{}%#&@*]|[^\s\p{P}]`

const token = new RegExp(`${abbreviation}|${word}|${sign}`, 'gu')

/** As the Penn Treebank writes brackets. In capitals pycocoevalcap would leave them out, but it has made them small by then. */
const brackets: Readonly<Record<string, string>> = {
  '(': '-lrb-',
  ')': '-rrb-',
  '[': '-lsb-',
  ']': '-rsb-',
  '{': '-lcb-',
  '}': '-rcb-',
}

/** Words that the Penn Treebank parts, and where. */
const contraction =
  /(?=(?:n't|'(?:s|m|d|re|ve|ll))+$)|(?<=^can)(?=not$)|(?<=^(?:gon|wan))(?=na$)|(?<=^got)(?=ta$)|(?<=^(?:gim|lem))(?=me$)/

/**
 * The words of a caption as caption metrics count them: lower case, without punctuation, contractions parted ("dog", "'s"; "does",
 * "n't"). It stands for the Penn Treebank tokenizer of Stanford's CoreNLP, in Java, that pycocoevalcap calls, and agrees with it on
 * ordinary captions (test/fixtures/captions; docs/evaluation.md says where they differ).
 */
export function captionWords(caption: string): string[] {
  checkArguments('captionWords', { caption: [caption, 'string'] })
  const found = caption.toLowerCase().replace(/[’‘]/g, "'").match(token) ?? []
  return found.flatMap((piece) => brackets[piece] ?? piece.split(contraction))
}
