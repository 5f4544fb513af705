/**
 * Glyphs of any text, where no font is installed too: printable ASCII from our own bitmap font, the rest of Unicode's basic
 * plane from GNU Unifont. What neither has, such as most emoji, is a box with its code in it: nothing is left out.
 */
import { createRequire } from 'node:module'
import type { Bidi } from 'bidi-js'
import { glyphWidth, glyph } from './bitmap_font.js'
import { markWidth, unifontGlyph } from './unifont.js'

export { markWidth }

/** A glyph as rows of '#' and '.', from the top of the line. */
export interface Glyph {
  readonly rows: readonly string[]
  /** Dots to the next glyph; 0: it is drawn over the `markWidth` dots before it. */
  readonly width: number
  /** 2: its dots are half as large as those of ASCII. */
  readonly dotsPerDot: 1 | 2
}

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** What a reader takes for one character each: a letter with its accents, an emoji of several code points. */
export const charactersOf = (text: string): string[] =>
  Array.from(segmenter.segment(text.normalize('NFC')), ({ segment }) => segment)

/** The glyphs of a line of text from left to right; Arabic and Hebrew are turned around, and a word is of one font. */
export const glyphsOf = (text: string): Glyph[] =>
  inVisualOrder(charactersOf(text))
    .join('')
    .split(/(?<= )|(?= )/)
    .flatMap((word) => Array.from(word, /[^ -~]/.test(word) ? unicodeGlyph : asciiGlyph))

// Its types are those of a module, which the file that Node loads is not.
const bidi = (createRequire(import.meta.url)('bidi-js') as () => Bidi)()
const rightToLeft = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/

function inVisualOrder(characters: readonly string[]): readonly string[] {
  // One code unit stands for each character, so that none is torn apart.
  const units = characters.map((character) => character[0]!).join('')
  if (!rightToLeft.test(units)) return characters
  const { levels, paragraphs } = bidi.getEmbeddingLevels(units)
  return bidi.getReorderedIndices(units, { levels, paragraphs }).map((i) => {
    const mirrored = levels[i]! % 2 === 1 ? bidi.getMirroredCharacter(characters[i]!) : null
    return mirrored ?? characters[i]!
  })
}

const asciiGlyph = (character: string): Glyph => ({
  rows: glyph(character),
  width: glyphWidth + 1,
  dotsPerDot: 1,
})

const made = new Map<string, Glyph>()

function unicodeGlyph(character: string): Glyph {
  const known = made.get(character) ?? makeUnicodeGlyph(character)
  made.set(character, known)
  return known
}

function makeUnicodeGlyph(character: string): Glyph {
  // Joiners and selectors of variants show nowhere.
  if (/\p{Default_Ignorable_Code_Point}/u.test(character)) return { rows: [], width: 0, dotsPerDot: 2 }
  const found = unifontGlyph(character)
  if (found) return { ...found, dotsPerDot: 2 }
  return isPrintableAscii(character)
    ? asciiGlyph(character)
    : { ...codeBox(character.codePointAt(0)!), dotsPerDot: 2 }
}

const isPrintableAscii = (character: string) => /^[ -~]$/.test(character)

/** A dark box with the code point's digits in it, in two lines. */
function codeBox(code: number): Pick<Glyph, 'rows' | 'width'> {
  const digits = code.toString(16).toUpperCase()
  const columns = Math.ceil(Math.max(4, digits.length) / 2)
  const padded = digits.padStart(2 * columns, '0')
  const border = '#'.repeat(columns * (glyphWidth + 1) + 1)
  const lines = [padded.slice(0, columns), padded.slice(columns)].map((line) => {
    const glyphs = [...line].map((digit) => glyph(digit).slice(0, -1))
    return glyphs[0]!.map((_, y) => `#${glyphs.map((rows) => `${inverted(rows[y]!)}#`).join('')}`)
  })
  const rows = [border, ...lines[0]!, border, ...lines[1]!, border]
  return { rows: rows.map((row) => `${row}.`), width: border.length + 1 }
}

const inverted = (row: string) => row.replaceAll(/[#.]/g, (dot) => (dot === '#' ? '.' : '#'))
