import { describe, expect, it } from 'vitest'
import { glyphHeight, glyphWidth, glyph } from '../../lib/image/bitmap_font.js'
import { inkColour, wrongColour, drawContactSheet, type SheetRow } from '../../lib/image/contact_sheet.js'
import type { Image } from '../../lib/image/image.js'
import { glyphsOf } from '../../lib/image/sheet_glyphs.js'

const PRINTABLE = Array.from({ length: 95 }, (_, i) => String.fromCharCode(0x20 + i))

describe('glyph', () => {
  it('has a picture of its own for every printable character', () => {
    const pictures = PRINTABLE.map((character) => glyph(character).join('\n'))
    expect(new Set(pictures).size).toBe(PRINTABLE.length)
  })

  it('is always of one size', () => {
    for (const character of PRINTABLE) {
      expect(glyph(character)).toHaveLength(glyphHeight)
      for (const row of glyph(character)) expect(row).toMatch(new RegExp(`^[.#]{${glyphWidth}}$`))
    }
  })

  it.each(['é', '\n', '\x7f', '日'])('shows %j, which the font lacks, as a question mark', (character) => {
    expect(glyph(character)).toEqual(glyph('?'))
  })
})

const image: Image = { width: 28, height: 28, channels: 1, data: new Uint8Array(28 * 28).fill(77) }

function draw(rows: SheetRow[], title = 'T'): Image {
  return drawContactSheet({ title, sections: [{ heading: 'H', rows }], scale: 3 })
}

function count({ data }: Image, [red, green, blue]: readonly number[]): number {
  let pixels = 0
  for (let i = 0; i < data.length; i += 3) {
    if (data[i] === red && data[i + 1] === green && data[i + 2] === blue) pixels++
  }
  return pixels
}

/** The pixels of ink in a text drawn at scale 1. */
function inkOf(text: string): number {
  return [...text].reduce((sum, character) => sum + glyph(character).join('').replaceAll('.', '').length, 0)
}

/** A line of text as one sees it, a row of dots to a line. */
const seen = (text: string) =>
  Array.from({ length: 18 }, (_, y) =>
    glyphsOf(text)
      .map(({ rows, width }) => rows[y] ?? '.'.repeat(width))
      .join(''),
  )

describe('glyphsOf', () => {
  it.each(['Ж', 'é', '日', '한', 'ق', 'ñ', '☃', 'ش', 'ไ', '€'])('has a picture of %s', (character) => {
    const [glyph, ...others] = glyphsOf(character)
    expect(others).toEqual([])
    expect(glyph!.rows.join('')).toMatch(/#/)
    expect(glyph!.rows).not.toEqual(glyphsOf('\uffff')[0]!.rows)
    expect([8, 16]).toContain(glyph!.width)
  })

  it('draws a letter as its outline says', () => {
    expect(glyphsOf('Г')[0]!.rows.slice(3, 15)).toEqual([
      '........',
      '.######.',
      ...Array(9).fill('.#......'),
      '........',
    ])
  })

  it('shows what no font has as a box with its code, of which no two are the same', () => {
    const emoji = ['\u{1f600}', '\u{1f601}', '\u{1f467}', '\u{20000}', '\u{10fffd}']
    expect(new Set(emoji.map((character) => glyphsOf(character)[0]!.rows.join('\n'))).size).toBe(emoji.length)
    // 01F over 600
    const [box] = glyphsOf('\u{1f600}')
    expect(box!.rows).toHaveLength(17)
    expect(box!.rows[0]).toMatch(/^#+\.$/)
  })

  it('shows joiners and selectors nowhere, and the parts of an emoji one after the other', () => {
    const family = glyphsOf('\u{1f469}\u200d\u{1f467}')
    expect(family.map(({ width }) => width > 0)).toEqual([true, false, true])
    expect(seen('☃\ufe0f')).toEqual(seen('☃'))
  })

  it('draws an accent of its own over the letter before it', () => {
    expect(glyphsOf('e\u0301')).toEqual(glyphsOf('é'))
    const [letter, mark] = glyphsOf('x\u0301')
    expect(letter!.width).toBe(8)
    expect(mark).toMatchObject({ width: 0 })
    expect(mark!.rows.join('')).toMatch(/#/)
  })

  it('turns Arabic and Hebrew around, but no numbers, and leaves emoji whole', () => {
    expect(glyphsOf('אב')).toEqual([...glyphsOf('ב'), ...glyphsOf('א')])
    expect(glyphsOf('א 12')).toEqual([...glyphsOf('12'), ...glyphsOf(' '), ...glyphsOf('א')])
    expect(glyphsOf('א\u{1f600}')).toEqual([...glyphsOf('\u{1f600}'), ...glyphsOf('א')])
  })
})

describe('drawContactSheet', () => {
  it('draws every image whole, at its scale', () => {
    const sheet = draw([{ cells: [{ image }, { image }] }, { cells: [{ image }] }])
    expect(sheet.data).toHaveLength(sheet.width * sheet.height * 3)
    expect(count(sheet, [77, 77, 77])).toBe(3 * 84 * 84)
  })

  it('draws colours', () => {
    const data = new Uint8Array(28 * 28 * 3).map((_, i) => [10, 20, 30][i % 3])
    expect(count(draw([{ cells: [{ image: { ...image, channels: 3, data } }] }]), [10, 20, 30])).toBe(84 * 84)
  })

  it('draws title, heading and captions in full, in their colours', () => {
    const captions = [{ text: 'an ankle boot' }, { text: 'a bag', colour: wrongColour }]
    const sheet = draw([{ cells: [{ image, captions }] }], 'Boots')
    expect(count(sheet, inkColour)).toBe(9 * inkOf('Boots') + 4 * inkOf('H') + 4 * inkOf('anankleboot'))
    expect(count(sheet, wrongColour)).toBe(4 * inkOf('abag'))
  })

  it('makes room for captions of several lines, and cuts a word that no line holds', () => {
    const height = (text: string) => draw([{ cells: [{ image, captions: [{ text }] }] }]).height
    const line = height('a bag of') - height('a bag')
    expect(line).toBeGreaterThan(0)
    expect(height('a photo of an ankle boot') - height('a bag')).toBeGreaterThan(line)
    const long = draw([{ cells: [{ image, captions: [{ text: 'x'.repeat(50), colour: wrongColour }] }] }])
    expect(count(long, wrongColour)).toBe(4 * 50 * inkOf('x'))
  })

  it('keeps captions and images of different rows and columns apart', () => {
    const captions = [{ text: 'WWWWWWW', colour: wrongColour }]
    const cells = [
      { image, captions },
      { image, captions },
    ]
    const sheet = draw([
      { label: 'first', cells },
      { label: 'second', cells },
    ])
    expect(count(sheet, [77, 77, 77])).toBe(4 * 84 * 84)
    expect(count(sheet, wrongColour)).toBe(4 * 4 * inkOf('WWWWWWW'))
  })

  it('writes captions of any script, which are not alike', () => {
    const sheets = ['красная', 'зелёная', '红色', '绿色', 'أحمر', '\u{1f600}', '???????'].map((text) =>
      Buffer.from(draw([{ label: text, cells: [{ image, captions: [{ text }] }] }], text).data).toString(
        'base64',
      ),
    )
    expect(new Set(sheets).size).toBe(sheets.length)
  })

  it('breaks text without spaces between its characters, and loses none', () => {
    const text = '一只红色的猫坐在窗台上看外面的风景'
    const ink = (text: string) =>
      [...text].reduce((sum, c) => sum + glyphsOf(c)[0]!.rows.join('').replaceAll('.', '').length, 0)
    const sheet = draw([{ cells: [{ image, captions: [{ text, colour: wrongColour }] }] }])
    expect(count(sheet, wrongColour)).toBe(ink(text))
    expect(sheet.width).toBeLessThan(200)
  })

  it('draws a sheet without images', () => {
    expect(count(drawContactSheet({ title: 'Nothing yet', sections: [], scale: 3 }), inkColour)).toBe(
      9 * inkOf('Nothing yet'),
    )
  })
})
