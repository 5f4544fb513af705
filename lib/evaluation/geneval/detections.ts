import { z } from 'zod'
import type { DetectedObject } from './rules.js'

/** What a detector found in a picture: boxes in pixels, and colours by whatever names them, CLIP in GenEval. */
const detectionSchema = z.strictObject({
  class: z.string().min(1),
  score: z.number().min(0).max(1),
  box: z.tuple([z.number(), z.number(), z.number(), z.number()]),
  color: z.string().min(1).optional(),
})

/** A JSON file of detections: of each picture, by its path in the folder, "00000/samples/0000.png", what was found. */
export const detectionsSchema = z.record(z.string(), z.array(detectionSchema))

/** An object that a detector found. */
export type Detection = z.output<typeof detectionSchema>

/** GenEval's thresholds. */
const leastScore = 0.3
const leastScoreOfCounting = 0.9
const mostObjectsOfClass = 16

/**
 * What counts as found, by class, the surest first, by GenEval's thresholds; overlapping boxes all count, as its published
 * scores have them (`max_overlap` 1).
 */
export function detectedObjects(
  detections: readonly Detection[],
  tag: string,
): Map<string, DetectedObject[]> {
  const threshold = tag === 'counting' ? leastScoreOfCounting : leastScore
  const objects = new Map<string, DetectedObject[]>()
  for (const { class: name, box, color } of detections
    .filter(({ score }) => score > threshold)
    .toSorted((a, b) => b.score - a.score)) {
    const found = objects.get(name) ?? []
    if (found.length < mostObjectsOfClass) found.push({ box, color })
    objects.set(name, found)
  }
  return objects
}
