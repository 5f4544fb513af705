import { checkArguments, checkOptions } from '../arguments.js'
import { glyphHeight } from './bitmap_font.js'
import type { Image } from './image.js'
import { charactersOf, type Glyph, glyphsOf, markWidth } from './sheet_glyphs.js'

/** 0 .. 255 each. */
export type Colour = readonly [red: number, green: number, blue: number]

/** Text under an image, wrapped to the width of the section's widest image. */
export interface Caption {
  /** What it says. */
  readonly text: string
  /** Default: dark grey. */
  readonly colour?: Colour
}

/** An image with what is written under it. */
export interface SheetCell {
  /** Of any size. */
  readonly image: Image
  /** One below the other. */
  readonly captions?: readonly Caption[]
}

/** Images beside each other. */
export interface SheetRow {
  /** One line above the row, such as the caption that all its images were generated from. */
  readonly label?: string
  /** From left to right. */
  readonly cells: readonly SheetCell[]
}

/** Rows under a heading. */
export interface SheetSection {
  /** Above the rows. */
  readonly heading: string
  /** From top to bottom. */
  readonly rows: readonly SheetRow[]
}

/** A picture of many images, in rows under headings. */
export interface ContactSheet {
  /** Above everything. */
  readonly title: string
  /** From top to bottom. */
  readonly sections: readonly SheetSection[]
  /** Sheet pixels for each image pixel; an integer. */
  readonly scale: number
}

/** Cells in rows of so many. */
export const inRows = (cells: readonly SheetCell[], columns: number): SheetRow[] =>
  Array.from({ length: Math.ceil(cells.length / columns) }, (_, row) => ({
    cells: cells.slice(row * columns, (row + 1) * columns),
  }))

/** A row for each label, of the first of its images; there are as many of each, one label's after the other. */
export function labelledRows(
  images: readonly Image[],
  labels: readonly string[],
  columns: number,
): SheetRow[] {
  const ofEach = images.length / labels.length
  return labels.map((label, i) => ({
    label,
    cells: images.slice(i * ofEach, i * ofEach + columns).map((image) => ({ image })),
  }))
}

export const inkColour: Colour = [32, 32, 36]
export const mutedColour: Colour = [120, 120, 128]
export const rightColour: Colour = [18, 120, 60]
export const wrongColour: Colour = [190, 30, 30]
const paperColour: Colour = [255, 255, 255]

const margin = 16
const gap = 8
const titleScale = 3
const headingScale = 2
/** Two pixels for each of a glyph's: what can be read on any screen. */
const captionScale = 2

/** Draws images in titled sections of rows, with their captions below, as one RGB image; a PNG is `writePng`'s work. */
export function drawContactSheet(sheet: ContactSheet): Image {
  checkArguments('drawContactSheet', { sheet: [sheet, 'object'] })
  checkArguments('drawContactSheet', { 'sheet.sections': [sheet.sections, 'array'] })
  checkSheetKeys(sheet)
  const sections = sheet.sections.map((section) => layOutSection(section, sheet.scale))
  const titleWidth = textWidth(sheet.title, titleScale)
  const width = 2 * margin + Math.max(titleWidth, ...sections.map((section) => section.width))
  const titleBottom = margin + lineHeight(titleScale)
  const height = sections.reduce((bottom, section) => bottom + margin + section.height, titleBottom) + margin
  const canvas = new Canvas(width, height)
  canvas.text({ text: sheet.title }, margin, margin, titleScale)
  let top = titleBottom
  for (const { height: sectionHeight, texts, images } of sections) {
    top += margin
    for (const { line, scale, x, y } of texts) canvas.text(line, margin + x, top + y, scale)
    for (const { image, x, y } of images) canvas.image(image, margin + x, top + y, sheet.scale)
    top += sectionHeight
  }
  return { width, height, channels: 3, data: canvas.data }
}

function checkSheetKeys(sheet: ContactSheet): void {
  const callee = 'drawContactSheet'
  checkOptions(callee, sheet, { title: true, sections: true, scale: true }, 'sheet')
  for (const [i, section] of sheet.sections.entries()) {
    const name = `sheet.sections[${i}]`
    checkOptions(callee, section, { heading: true, rows: true }, name)
    for (const [j, row] of section.rows.entries()) {
      checkOptions(callee, row, { label: true, cells: true }, `${name}.rows[${j}]`)
      for (const [k, cell] of row.cells.entries())
        checkOptions(callee, cell, { image: true, captions: true }, `${name}.rows[${j}].cells[${k}]`)
    }
  }
}

/** A section with the places of its parts, counted from its top left corner. */
interface PlacedSection {
  readonly width: number
  readonly height: number
  readonly texts: readonly {
    readonly line: Caption
    readonly scale: number
    readonly x: number
    readonly y: number
  }[]
  readonly images: readonly { readonly image: Image; readonly x: number; readonly y: number }[]
}

function layOutSection({ heading, rows }: SheetSection, scale: number): PlacedSection {
  const cellWidth = Math.max(0, ...rows.flatMap(({ cells }) => cells.map(({ image }) => image.width * scale)))
  const texts: PlacedSection['texts'][number][] = [
    { line: { text: heading }, scale: headingScale, x: 0, y: 0 },
  ]
  const images: PlacedSection['images'][number][] = []
  let bottom = lineHeight(headingScale)
  for (const { label, cells } of rows) {
    let top = bottom + gap
    if (label !== undefined) {
      texts.push({ line: { text: label, colour: mutedColour }, scale: captionScale, x: 0, y: top })
      top += lineHeight(captionScale)
    }
    bottom = top
    cells.forEach((cell, column) => {
      const x = column * (cellWidth + gap)
      images.push({ image: cell.image, x, y: top })
      let y = top + cell.image.height * scale
      const lines = wrapCaptions(cell, cellWidth)
      if (lines.length > 0) y += gap / 2
      for (const line of lines) {
        texts.push({ line, scale: captionScale, x, y })
        y += lineHeight(captionScale)
      }
      bottom = Math.max(bottom, y)
    })
  }
  const imagesWidth = Math.max(0, ...images.map(({ x }) => x + cellWidth))
  const textsWidth = Math.max(...texts.map((text) => text.x + textWidth(text.line.text, text.scale)))
  return { width: Math.max(imagesWidth, textsWidth), height: bottom, texts, images }
}

const wrapCaptions = ({ captions = [] }: SheetCell, width: number): Caption[] =>
  captions.flatMap((caption) => wrap(caption.text, width).map((text) => ({ ...caption, text })))

/**
 * Breaks text between words into lines of at most so many sheet pixels, of at least one character; a longer word is cut
 * between characters, as is what is written without spaces.
 */
function wrap(text: string, width: number): string[] {
  const fits = (line: string) => textWidth(line, captionScale) <= width
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    if (line !== '' && fits(`${line} ${word}`)) {
      line = `${line} ${word}`
      continue
    }
    if (line !== '') lines.push(line)
    line = ''
    for (const character of charactersOf(word)) {
      if (line !== '' && !fits(line + character)) {
        lines.push(line)
        line = ''
      }
      line += character
    }
  }
  return [...lines, line]
}

function lineHeight(scale: number): number {
  return (glyphHeight + 1) * scale
}

/** Sheet pixels that a dot of a glyph is high and wide. */
const dotSize = ({ dotsPerDot }: Glyph, scale: number): number => Math.max(1, Math.floor(scale / dotsPerDot))

const textWidth = (text: string, scale: number): number =>
  glyphsOf(text).reduce((width, glyph) => width + glyph.width * dotSize(glyph, scale), 0)

class Canvas {
  readonly data: Uint8Array
  readonly #width: number

  constructor(width: number, height: number) {
    this.#width = width
    this.data = new Uint8Array(width * height * 3)
    this.#fill(0, 0, width, height, paperColour)
  }

  text({ text, colour = inkColour }: Caption, left: number, top: number, scale: number): void {
    let x = left
    for (const glyph of glyphsOf(text)) {
      const size = dotSize(glyph, scale)
      const start = glyph.width === 0 ? x - markWidth * size : x
      // All stand on one line, whatever the size of their dots.
      const first = top + (glyphHeight * scale - glyphHeight * glyph.dotsPerDot * size)
      glyph.rows.forEach((row, y) => {
        for (let column = 0; column < row.length; column++)
          if (row[column] === '#') this.#fill(start + column * size, first + y * size, size, size, colour)
      })
      x += glyph.width * size
    }
  }

  image({ width, height, channels, data }: Image, left: number, top: number, scale: number): void {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const at = (y * width + x) * channels
        const colour: Colour =
          channels === 1 ? [data[at], data[at], data[at]] : [data[at], data[at + 1], data[at + 2]]
        this.#fill(left + x * scale, top + y * scale, scale, scale, colour)
      }
    }
  }

  #fill(left: number, top: number, width: number, height: number, colour: Colour): void {
    for (let y = top; y < top + height; y++) {
      for (let x = left; x < left + width; x++) this.data.set(colour, (y * this.#width + x) * 3)
    }
  }
}
