/** What a picture of shapes shows: the model from which it is rendered, described, asked about and edited. */

/** The shapes, by the names that captions call them. Held-out combinations follow from their order. */
export const shapeNames = ['circle', 'square', 'triangle', 'diamond', 'cross', 'ring'] as const
/** One of the shapes. */
export type ShapeName = (typeof shapeNames)[number]

/** Red, green and blue, 0 .. 255. */
export type Rgb = readonly [red: number, green: number, blue: number]

/** The colours, far enough from each other and from the background to be told apart through noise (our choice). */
export const palette = {
  red: [220, 40, 40],
  orange: [255, 140, 0],
  yellow: [250, 220, 30],
  green: [40, 160, 60],
  blue: [40, 80, 220],
  purple: [130, 40, 160],
  pink: [255, 130, 190],
  black: [30, 30, 30],
} as const satisfies Record<string, Rgb>
/** The name of a colour, as captions have it. */
export type ColourName = keyof typeof palette

/** The names of the colours. Held-out combinations follow from their order. */
export const colourNames = Object.keys(palette) as readonly ColourName[]

/** White: every colour has a channel that is at least 125 darker. */
export const background: Rgb = [255, 255, 255]

/** One shape of a scene. All lengths are shares of the picture's side. */
export interface SceneObject {
  /** What it is. */
  readonly shape: ShapeName
  /** Of all of it. */
  readonly colour: ColourName
  /** The centre of its bounding box, from the left. */
  readonly x: number
  /** The centre of its bounding box, from the top. */
  readonly y: number
  /** Width and height of its bounding box. */
  readonly size: number
}

/** A square picture's content, on white. No two objects touch. */
export type Scene = readonly SceneObject[]

/** A rectangle: left, top, right, bottom. */
export type Box = readonly [left: number, top: number, right: number, bottom: number]

/** The bounding box of an object, as shares of the picture's side. */
export const boxOf = ({ x, y, size }: Pick<SceneObject, 'x' | 'y' | 'size'>): Box => [
  x - size / 2,
  y - size / 2,
  x + size / 2,
  y + size / 2,
]
