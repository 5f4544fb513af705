import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { checkArguments } from '../../arguments.js'
import { parseConfig } from '../../config/parse.js'
import { fileError } from '../../files/file_error.js'
import { readJson } from '../../files/json_file.js'
import { type Detection, detectedObjects, detectionsSchema } from './detections.js'
import { type GenEvalPrompt, genEvalPromptSchema } from './prompt_file.js'
import { type DetectedObject, judgeObjects } from './rules.js'

/** A picture of a GenEval folder, judged by what was detected in it. */
export interface GenEvalPicture {
  /** Its path in the folder: "00000/samples/0000.png". */
  readonly file: string
  /** The kind of prompt. */
  readonly tag: string
  /** What was asked for. */
  readonly prompt: string
  /** Whether it is right. */
  readonly correct: boolean
  /** What is wrong, in GenEval's words. */
  readonly reasons: readonly string[]
}

/**
 * Scores the pictures of a folder in GenEval's layout (00000/metadata.jsonl, 00000/samples/0000.png) by a JSON file of detections:
 * { "00000/samples/0000.png": [{ "class": "bench", "score": 0.93, "box": [left, top, right, bottom], "color": "red" }] }, boxes
 * in pixels. Rejects with an Error that names a picture without detections, a detection without the colour that is asked for,
 * and what is not as it should be in the files.
 */
export async function scoreGenEval(folder: string, detectionsFile: string): Promise<GenEvalPicture[]> {
  checkArguments('scoreGenEval', {
    folder: [folder, 'string'],
    detectionsFile: [detectionsFile, 'string'],
  })
  const detections = new Map(
    Object.entries(parseConfig(detectionsSchema, await readJson(detectionsFile), detectionsFile)),
  )
  const pictures: GenEvalPicture[] = []
  for (const number of await names(folder, /^\d+$/)) {
    const metadata = join(folder, number, 'metadata.jsonl')
    const prompt = parseConfig(genEvalPromptSchema, await readJson(metadata), metadata)
    for (const sample of await names(join(folder, number, 'samples'), /^\d+\.png$/)) {
      const file = `${number}/samples/${sample}`
      const found = detections.get(file)
      if (!found)
        throw new Error(
          `${detectionsFile}: has no detections of ${file}; where there are none, expected "${file}": []`,
        )
      pictures.push({ file, ...judged(found, prompt, `${detectionsFile}: ${file}`) })
    }
  }
  if (pictures.length === 0)
    throw new Error(`${folder}: has no pictures in GenEval's layout, 00000/samples/0000.png`)
  return pictures
}

async function names(folder: string, pattern: RegExp): Promise<string[]> {
  const found = await readdir(folder).catch((error: Error) => {
    throw fileError(folder, error)
  })
  return found.filter((name) => pattern.test(name)).toSorted()
}

function judged(found: readonly Detection[], { tag, prompt, include, exclude }: GenEvalPrompt, name: string) {
  const objects = detectedObjects(found, tag)
  for (const { class: named, count, color } of include) {
    const colourless = (object: DetectedObject) => object.color === undefined
    if (color !== undefined && objects.get(named)?.slice(0, count).some(colourless))
      throw new Error(`${name}: a ${named} has no "color", which "${prompt}" is judged by`)
  }
  return { tag, prompt, ...judgeObjects(objects, { include, exclude }) }
}
