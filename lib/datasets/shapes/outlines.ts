import type { ShapeName } from './scene.js'

/** A shape in a box from -1 to 1 in both directions, v pointing down. */
export interface Outline {
  /** Distance to the outline, negative inside; near it exact but for corners. */
  readonly distance: (u: number, v: number) => number
  /** Of the box's 4. */
  readonly area: number
  /** The v of the centre of mass; its u is 0. */
  readonly centroid: number
}

/** Half the width of a cross's arms. */
const arm = 0.35
/** The radius of a ring's hole. */
const hole = 0.5

/** All shapes, by formulas: rendering takes coverage from the distance, and the judge compares with the same. */
export const outlines: Readonly<Record<ShapeName, Outline>> = {
  circle: { distance: (u, v) => Math.sqrt(u * u + v * v) - 1, area: Math.PI, centroid: 0 },
  square: { distance: (u, v) => Math.max(Math.abs(u), Math.abs(v)) - 1, area: 4, centroid: 0 },
  triangle: {
    // Its tip is at (0, -1), its base at v = 1.
    distance: (u, v) => Math.max((2 * Math.abs(u) - v - 1) / Math.sqrt(5), v - 1),
    area: 2,
    centroid: 1 / 3,
  },
  diamond: { distance: (u, v) => (Math.abs(u) + Math.abs(v) - 1) / Math.SQRT2, area: 2, centroid: 0 },
  cross: {
    distance(u, v) {
      const across = Math.max(Math.abs(u) - 1, Math.abs(v) - arm)
      const upright = Math.max(Math.abs(u) - arm, Math.abs(v) - 1)
      return Math.min(across, upright)
    },
    area: 8 * arm - 4 * arm * arm,
    centroid: 0,
  },
  ring: {
    distance(u, v) {
      const radius = Math.sqrt(u * u + v * v)
      return Math.max(radius - 1, hole - radius)
    },
    area: Math.PI * (1 - hole * hole),
    centroid: 0,
  },
}

/**
 * The share of a pixel, 0 .. 1, that a shape covers, from the distance of the pixel's centre to the outline in pixels.
 * `softness`: pixels over which an edge goes from 0 to 1; 1 is antialiasing.
 */
export const coverage = (distance: number, softness = 1): number =>
  Math.min(1, Math.max(0, 0.5 - distance / softness))
