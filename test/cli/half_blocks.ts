import type { Image } from '../../lib/image/image.js'

const levels = [0, 95, 135, 175, 215, 255]

/** A colour of xterm's 256. */
const indexed = (index: number): number[] =>
  index >= 232
    ? Array<number>(3).fill(8 + 10 * (index - 232))
    : [36, 6, 1].map((place) => levels[Math.floor((index - 16) / place) % 6]!)

/**
 * The picture that a terminal shows for half blocks: what a line's characters leave of it that is not drawn on is
 * undefined in `pixels`.
 */
export function picture(
  text: string,
): Pick<Image, 'width' | 'height'> & { pixels: (number[] | undefined)[] } {
  const rows: (number[] | undefined)[][] = []
  for (const line of text.split(/\r?\n/).filter((line) => line.includes('▀'))) {
    const [upper, lower]: [(typeof rows)[number], (typeof rows)[number]] = [[], []]
    let front: number[] | undefined
    let behind: number[] | undefined
    // oxlint-disable-next-line no-control-regex
    for (const [, codes, block] of line.matchAll(/\x1b\[([\d;]*)m|(▀)/g)) {
      if (block) {
        upper.push(front)
        lower.push(behind)
        continue
      }
      const values = codes!.split(';').map(Number)
      while (values.length > 0) {
        const code = values.shift()
        if (code === 38 || code === 48) {
          const colour = values.shift() === 2 ? values.splice(0, 3) : indexed(values.shift()!)
          if (code === 38) front = colour
          else behind = colour
        } else if (code === 49) behind = undefined
        else front = behind = undefined
      }
    }
    rows.push(upper, lower)
  }
  return { width: rows[0]?.length ?? 0, height: rows.length, pixels: rows.flat() }
}
