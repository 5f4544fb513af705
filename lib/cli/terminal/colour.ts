type Colour = readonly [red: number, green: number, blue: number]

/** A colour as terminals are told it: of 2^24, or, with fewer than 24 bits, the nearest of xterm's 256. */
export const colourCode = (colour: Colour, depth: number): string =>
  depth >= 24 ? `2;${colour.join(';')}` : `5;${nearestOf256(colour)}`

/** xterm's colours 16 .. 231 are a cube of these levels, 232 .. 255 the grays 8, 18 ... 238. */
const levels = [0, 95, 135, 175, 215, 255]

function nearestOf256(colour: Colour): number {
  const places = colour.map(nearestLevel)
  const cube = places.map((place) => levels[place]!)
  const mean = colour.reduce((sum, value) => sum + value) / 3
  const step = Math.min(23, Math.max(0, Math.round((mean - 8) / 10)))
  const gray = colour.map(() => 8 + 10 * step)
  const distance = (other: readonly number[]) =>
    other.reduce((sum, value, i) => sum + (value - colour[i]!) ** 2, 0)
  return distance(gray) < distance(cube) ? 232 + step : 16 + 36 * places[0]! + 6 * places[1]! + places[2]!
}

/** The index of the level that is nearest. */
const nearestLevel = (value: number): number =>
  levels.reduce((best, level, i) => (Math.abs(level - value) < Math.abs(levels[best]! - value) ? i : best), 0)
