import { join } from 'node:path'
import { z } from 'zod'
import { parseConfig } from '../../config/parse.js'
import { readJson } from '../../files/json_file.js'
import { findSheets, sheetCaptionsFile, sheetFile, type StepFile } from '../run_files.js'
import { inlineImage, type InlineImage } from './inline_image.js'

/** Images generated at a step. */
export interface Sheet {
  step: number
  image: InlineImage
  captions: string[]
}

export interface Sheets {
  /** In the order of their steps. */
  shown: Sheet[]
  /** In the folder. */
  count: number
  /** What could not be shown, and why. */
  problems: string[]
}

const mostSheets = 48
/** Characters of data URIs. */
const budget = 16e6

/**
 * The sheets of samples in a run's folder. Of many some are taken, the first and the last among them, so that the page
 * stays small whatever the run's length.
 */
export async function readSheets(folder: string): Promise<Sheets> {
  const { sheets, captions } = await findSheets(folder)
  const steps = new Set(sheets.map(({ step }) => step))
  const problems = captions
    .filter(({ step }) => !steps.has(step))
    .map(({ step, path }) => `${path}: the sheet ${sheetFile(step)} that it belongs to is missing`)
  const read: Sheet[] = []
  const tryReading = async ({ step, path }: StepFile) => {
    try {
      read.push({ step, image: await inlineImage(path), captions: await readCaptions(folder, step) })
    } catch (error) {
      problems.push((error as Error).message)
    }
  }
  // The last one tells what the others take, as they are of one size.
  const last = sheets.at(-1)
  if (last) await tryReading(last)
  const size = read[0]?.image.source.length ?? 1
  const room = Math.max(3, Math.min(mostSheets, Math.floor(budget / size)))
  for (const sheet of spread(sheets.slice(0, -1), room - 1)) await tryReading(sheet)
  return { shown: read.toSorted((a, b) => a.step - b.step), count: sheets.length, problems }
}

/** Up to `count` of the items at equal distances, the first among them. */
function spread<T>(items: readonly T[], count: number): T[] {
  const taken = Math.min(count, items.length)
  return Array.from({ length: taken }, (_, i) => items[Math.floor((i * items.length) / taken)]!)
}

async function readCaptions(folder: string, step: number): Promise<string[]> {
  const path = join(folder, sheetCaptionsFile(step))
  return parseConfig(z.array(z.string()), await readJson(path, []), path)
}
