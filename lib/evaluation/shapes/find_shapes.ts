import { checkArguments } from '../../arguments.js'
import { coverage, outlines } from '../../datasets/shapes/outlines.js'
import {
  background,
  type ColourName,
  colourNames,
  palette,
  type Rgb,
  type SceneObject,
  shapeNames,
  type ShapeName,
} from '../../datasets/shapes/scene.js'
import type { Image } from '../../image/image.js'
import { type Component, findComponents } from './components.js'

/** What is neither one of the shapes nor, as a colour, one of the palette. */
export const unrecognised = 'unrecognised'

/** An object in a picture: its place and size as shares of the picture's side, and what it looks like. */
export interface FoundObject extends Pick<SceneObject, 'x' | 'y' | 'size'> {
  /** The shape that it has, if any. */
  readonly shape: ShapeName | typeof unrecognised
  /** The colour that it has, if any. */
  readonly colour: ColourName | typeof unrecognised
}

/** The least area of an object, as a share of the picture's: a quarter of the smallest shape's. Less is noise. */
const leastArea = 0.008
/** The farthest that a colour may be from one of the palette's, or from what fading makes of that, in RGB of 0 .. 255. */
const colourTolerance = 45
/** The least of a colour's way from white that is left where blur fades thin shapes. */
const mostFaded = 0.75
/** The share of an object's pixels that its colour is read from, those farthest from white: blur pales the others. */
const colourShare = 0.25
/** A pixel that is covered less than this is taken for background with noise. */
const leastCoverage = 0.1
/** The most that an object's coverage may differ from its shape's, as a share of its area. */
const shapeTolerance = 0.4
/** Pixels over which a shape's edge is taken to fade: more than antialiasing's one, as generated pictures are softer. */
const softness = 1.5

/**
 * Reads the objects of a square RGB picture of shapes from its pixels: connected areas that are not white, of each the nearest
 * colour of the palette, and the shape that covers it best at the same area and centre of mass. Objects that touch are one
 * object, most likely an unrecognised one. Throws a RangeError for a picture that is not square or not RGB.
 */
export function findShapes(image: Image): FoundObject[] {
  checkArguments('findShapes', { image: [image, 'image'] })
  const { width, height, channels } = image
  if (width !== height || channels !== 3)
    throw new RangeError(
      `findShapes: image must be square and of 3 channels, received ${width} x ${height} of ${channels}`,
    )
  const { components, labels } = findComponents(image, leastArea * width * height)
  return components.map((component) => readObject(image, component, labels))
}

function readObject(image: Image, component: Component, labels: Int32Array): FoundObject {
  const side = image.width
  const colour = meanColour(image, component)
  const area = coveredArea(image, component, labels, colour)
  const { shape, radius, x, y } = fitShape(area)
  return { shape, colour: nameOf(colour), x: x / side, y: y / side, size: (2 * radius) / side }
}

/** The mean of the pixels farthest from white. */
function meanColour({ data }: Image, { pixels }: Component): Rgb {
  const paleness = (pixel: number) => data[pixel * 3]! + data[pixel * 3 + 1]! + data[pixel * 3 + 2]!
  const darkest = pixels
    .toSorted((a, b) => paleness(a) - paleness(b))
    .subarray(0, Math.ceil(pixels.length * colourShare))
  const mean = (channel: number) =>
    darkest.reduce((sum, pixel) => sum + data[pixel * 3 + channel]!, 0) / darkest.length
  return [mean(0), mean(1), mean(2)]
}

function nameOf(colour: Rgb): ColourName | typeof unrecognised {
  const distances = colourNames.map((name) => distanceToFading(colour, palette[name]))
  const least = Math.min(...distances)
  return least <= colourTolerance ? colourNames[distances.indexOf(least)]! : unrecognised
}

/** How far a colour is from what fading makes of another. */
function distanceToFading(colour: Rgb, other: Rgb): number {
  const way = wayTo(other)
  const covered = Math.min(1, Math.max(mostFaded, dot(wayTo(colour), way) / dot(way, way)))
  return Math.hypot(...way.map((value, channel) => background[channel]! - covered * value - colour[channel]!))
}

/** From white to a colour. */
const wayTo = ([red, green, blue]: Rgb): Rgb => [
  background[0] - red,
  background[1] - green,
  background[2] - blue,
]

const dot = (a: Rgb, b: Rgb): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2]

/** How much of each pixel around an object it covers. Positions are in pixels, a pixel's centre at a half. */
interface CoveredArea {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
  /** `[height, width]`, about 0 .. 1. */
  readonly values: Float32Array
  /** Their sum. */
  readonly area: number
  /** The centre of mass. */
  readonly x: number
  readonly y: number
}

/** Each pixel's way from white to the colour, of the object's bounding box and one pixel around it. */
function coveredArea(
  { width: side, data }: Image,
  { label, pixels }: Component,
  labels: Int32Array,
  colour: Rgb,
): CoveredArea {
  let [left, top, right, bottom] = [side, side, 0, 0]
  for (const pixel of pixels) {
    const column = pixel % side
    const row = (pixel - column) / side
    left = Math.min(left, column)
    right = Math.max(right, column)
    top = Math.min(top, row)
    bottom = Math.max(bottom, row)
  }
  left = Math.max(0, left - 1)
  top = Math.max(0, top - 1)
  const width = Math.min(side, right + 2) - left
  const height = Math.min(side, bottom + 2) - top
  const way = wayTo(colour)
  const squared = dot(way, way)
  const values = new Float32Array(width * height)
  let [area, x, y] = [0, 0, 0]
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const pixel = (top + row) * side + left + column
      if (labels[pixel] !== 0 && labels[pixel] !== label) continue
      const rgb: Rgb = [data[pixel * 3]!, data[pixel * 3 + 1]!, data[pixel * 3 + 2]!]
      const covered = Math.min(1, dot(wayTo(rgb), way) / squared)
      if (covered < leastCoverage) continue
      values[row * width + column] = covered
      area += covered
      x += covered * (left + column + 0.5)
      y += covered * (top + row + 0.5)
    }
  }
  return { left, top, width, height, values, area, x: x / area, y: y / area }
}

/** The shape that differs least from what is covered, where it differs little; without one, the nearest shape's place. */
function fitShape(covered: CoveredArea): Pick<FoundObject, 'shape' | 'x' | 'y'> & { radius: number } {
  const fits = shapeNames.map((shape) => {
    const { area, centroid } = outlines[shape]
    const radius = Math.sqrt(covered.area / area)
    const y = covered.y - centroid * radius
    return { shape, radius, x: covered.x, y, difference: difference(covered, shape, radius, y) }
  })
  const best = fits.reduce((a, b) => (b.difference < a.difference ? b : a))
  return best.difference <= shapeTolerance ? best : { ...best, shape: unrecognised }
}

/** The sum of the differences of coverage from a shape's, as a share of the area. */
function difference(
  { left, top, width, height, values, area, x }: CoveredArea,
  shape: ShapeName,
  radius: number,
  y: number,
): number {
  const { distance } = outlines[shape]
  let sum = 0
  for (let row = 0; row < height; row++) {
    const v = (top + row + 0.5 - y) / radius
    for (let column = 0; column < width; column++) {
      const u = (left + column + 0.5 - x) / radius
      sum += Math.abs(values[row * width + column]! - coverage(distance(u, v) * radius, softness))
    }
  }
  return sum / area
}
