/** Pictures between the lines of a terminal. */
import { randomInt } from 'node:crypto'
import type { Image } from '../../image/image.js'
import { encodePng, readImage } from '../../image/image_io.js'
import { colourCode } from './colour.js'

/**
 * How a terminal shows pictures: by kitty's graphics protocol (kitty, Ghostty, Konsole), by iTerm2's (iTerm2, WezTerm,
 * mintty), by half blocks in colour, two pixels a character, or not at all.
 */
export const imageProtocols = ['kitty', 'iterm', 'blocks', 'none'] as const
export type ImageProtocol = (typeof imageProtocols)[number]

/** What images need of an output stream. */
export type TerminalStream = Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'rows' | 'getColorDepth'>

/** What the terminal behind a stream can show, as far as its environment tells. */
export function detectProtocol(stream: TerminalStream, env: NodeJS.ProcessEnv = process.env): ImageProtocol {
  if (!stream.isTTY) return 'none'
  const { TERM = '', TERM_PROGRAM = '' } = env
  // tmux and screen hand on characters and colours, but no pictures.
  if (!env['TMUX'] && !/^(tmux|screen)/.test(TERM)) {
    if (env['KITTY_WINDOW_ID'] || env['KONSOLE_VERSION']) return 'kitty'
    if (/^xterm-(kitty|ghostty)$/.test(TERM) || TERM_PROGRAM === 'ghostty') return 'kitty'
    if (['iTerm.app', 'WezTerm', 'mintty'].includes(TERM_PROGRAM)) return 'iterm'
    if (env['LC_TERMINAL'] === 'iTerm2') return 'iterm'
  }
  return stream.getColorDepth(env) >= 8 ? 'blocks' : 'none'
}

/** A size in characters, and the bits of colour that one may have. */
export interface TerminalSize {
  columns: number
  rows: number
  colourDepth: number
}

/** What an output stream says of its terminal; where it is none, what is usual. */
export const terminalSize = (stream: TerminalStream): TerminalSize => ({
  columns: stream.columns || 80,
  rows: stream.rows || 24,
  colourDepth: stream.isTTY ? stream.getColorDepth() : 24,
})

/** A picture as text that leaves the cursor at the start of the line below, so many rows further down. */
export interface TerminalPicture {
  text: string
  rows: number
}

/**
 * Draws an image: a pixel to a character's width and half its height, smaller where the terminal is. `id` lets kitty
 * put a picture in the place of another of the same id.
 */
export async function drawPicture(
  image: Image,
  protocol: Exclude<ImageProtocol, 'none'>,
  terminal: TerminalSize,
  id = randomInt(1, 2 ** 31),
): Promise<TerminalPicture> {
  // A line is left for what follows: what scrolls out of sight could not be drawn over.
  const scale = Math.min(1, (terminal.columns - 1) / image.width, (2 * (terminal.rows - 2)) / image.height)
  const width = Math.max(1, Math.floor(image.width * scale))
  const height = Math.max(1, Math.floor(image.height * scale))
  const rows = Math.ceil(height / 2)
  if (protocol === 'blocks') {
    const small = await readImage(image, { width, height, channels: 3 })
    return { text: halfBlocks(small, terminal.colourDepth), rows }
  }
  const png = await encodePng(image)
  return { text: reserved(rows, protocol === 'kitty' ? kitty(png, rows, id) : iterm(png, rows)), rows }
}

/** Moves the cursor up over a picture, so that another is drawn in its place. */
export const overPicture = ({ rows }: TerminalPicture): string => `\x1b[${rows}A\r`

/** Makes room first and returns to the place afterwards: terminals differ in where a picture leaves the cursor. */
const reserved = (rows: number, picture: string): string =>
  `${'\n'.repeat(rows)}\x1b[${rows}A\x1b7${picture}\x1b8\x1b[${rows}B\r`

/** Most characters that one of kitty's messages takes. */
const chunk = 4096

/** https://sw.kovidgoyal.net/kitty/graphics-protocol: shown at once (a=T), a PNG (f=100), without an answer (q=2). */
function kitty(png: Buffer, rows: number, id: number): string {
  const data = png.toString('base64')
  const pieces = Array.from({ length: Math.ceil(data.length / chunk) }, (_, i) =>
    data.slice(i * chunk, (i + 1) * chunk),
  )
  return pieces
    .map((piece, i) => {
      const first = i === 0 ? `a=T,f=100,q=2,C=1,i=${id},r=${rows},` : ''
      return `\x1b_G${first}m=${i < pieces.length - 1 ? 1 : 0};${piece}\x1b\\`
    })
    .join('')
}

/** https://iterm2.com/documentation-images.html */
const iterm = (png: Buffer, rows: number): string =>
  `\x1b]1337;File=inline=1;size=${png.length};height=${rows};preserveAspectRatio=1:${png.toString('base64')}\x07`

/** Upper half blocks: the upper pixel's colour in front, the lower one's behind. */
function halfBlocks({ width, height, data }: Image, colourDepth: number): string {
  const colourAt = (x: number, y: number) => {
    const at = (y * width + x) * 3
    return colourCode([data[at]!, data[at + 1]!, data[at + 2]!], colourDepth)
  }
  let text = ''
  for (let y = 0; y < height; y += 2) {
    let before = ''
    for (let x = 0; x < width; x++) {
      const behind = y + 1 < height ? `48;${colourAt(x, y + 1)}` : '49'
      const colours = `\x1b[38;${colourAt(x, y)};${behind}m`
      text += (colours === before ? '' : colours) + '▀'
      before = colours
    }
    text += '\x1b[0m\n'
  }
  return text
}
