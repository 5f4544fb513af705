/** GNU Unifont: a glyph for every character of Unicode's basic plane, on a grid of 16 rows, 8 or 16 columns wide. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Font, PathCommand } from 'opentype.js'

const glyphRows = 16
/** Dots before it that a mark without a width of its own is drawn over. */
export const markWidth = 8

/** A glyph as rows of '#' and '.'. */
export interface UnifontGlyph {
  readonly rows: readonly string[]
  /** Dots to the next glyph; 0: a mark that stands over the `markWidth` dots before it. */
  readonly width: number
}

/** Read when the first character needs it, half a second. */
let font: Font | 'missing' | undefined

/** A character's glyph; undefined where the font has none, and for all where its file is missing, as in a bundle. */
export function unifontGlyph(character: string): UnifontGlyph | undefined {
  font ??= openFont()
  if (font === 'missing') return undefined
  const glyph = font.charToGlyph(character)
  if (glyph.index === 0) return undefined
  const dot = font.unitsPerEm / glyphRows
  const width = Math.round((glyph.advanceWidth ?? 0) / dot)
  const edges = verticalEdges(glyph.path.commands)
  const left = width === 0 ? -markWidth : 0
  const rows = Array.from({ length: glyphRows }, (_, row) => {
    const y = (font as Font).ascender - (row + 0.5) * dot
    return Array.from({ length: width || markWidth }, (_, column) =>
      isInside((left + column + 0.5) * dot, y, edges) ? '#' : '.',
    ).join('')
  })
  return { rows, width }
}

const require = createRequire(import.meta.url)

/** The types lack the option, with which glyphs are read when they are used: a third of the time. */
type Parse = (file: ArrayBuffer, options: { lowMemory: boolean }) => Font

function openFont(): Font | 'missing' {
  try {
    const file = readFileSync(require.resolve('@fontsource/unifont/files/unifont-latin-400-normal.woff'))
    const { parse } = require('opentype.js') as { parse: Parse }
    return parse(new Uint8Array(file).buffer, { lowMemory: true })
  } catch {
    return 'missing'
  }
}

interface VerticalEdge {
  readonly x: number
  readonly low: number
  readonly high: number
  /** Up: 1, down: -1. */
  readonly direction: number
}

/** Outlines follow the grid: their vertical edges alone tell what is inside. */
function verticalEdges(commands: readonly PathCommand[]): VerticalEdge[] {
  const edges: VerticalEdge[] = []
  let start = { x: 0, y: 0 }
  let at = start
  for (const command of commands) {
    const to = command.type === 'Z' ? start : { x: command.x, y: command.y }
    if (command.type === 'M') start = to
    else if (to.x === at.x && to.y !== at.y)
      edges.push({
        x: to.x,
        low: Math.min(at.y, to.y),
        high: Math.max(at.y, to.y),
        direction: Math.sign(to.y - at.y),
      })
    at = to
  }
  return edges
}

/** By the winding number: how often the outlines go around the point. */
const isInside = (x: number, y: number, edges: readonly VerticalEdge[]): boolean =>
  edges.reduce((sum, edge) => sum + (edge.x < x && edge.low < y && y < edge.high ? edge.direction : 0), 0) !==
  0
