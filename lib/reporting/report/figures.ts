import { join } from 'node:path'
import { z } from 'zod'
import { parseConfig } from '../../config/parse.js'
import { readJson } from '../../files/json_file.js'
import { runFiles } from '../run_files.js'

const figureSchema = z.object({
  /** null: JSON's way to say that it is not finite. */
  value: z.number().nullable(),
  standard_error: z.number().nullable().optional(),
  count: z.number().optional(),
})

const evaluationSchema = z.object({
  model: z.string(),
  precision: z.string(),
  seed: z.number(),
  results: z.array(
    z.object({
      task: z.string(),
      data: z.string(),
      settings: z.record(z.string(), z.unknown()),
      figures: z.record(z.string(), figureSchema),
      seconds: z.number(),
    }),
  ),
})

const demoFiguresSchema = z.record(z.string(), z.number().nullable())

export type Figure = z.output<typeof figureSchema>

/** Figures that were measured together. */
export interface FigureTable {
  title: string
  /** How they were measured. */
  settings?: Record<string, unknown>
  figures: Record<string, Figure>
}

/** The tables of `eval.json`. Rejects with an Error that names what is wrong in it. */
export async function readEvaluation(folder: string): Promise<FigureTable[]> {
  const path = join(folder, runFiles.evaluation)
  const { results, model, precision, seed } = parseConfig(evaluationSchema, await readJson(path), path)
  return results.map(({ task, data, settings, figures, seconds }) => ({
    title: `${task}: ${data}`,
    settings: { model, precision, seed, ...settings, seconds: Number(seconds.toFixed(1)) },
    figures,
  }))
}

/** The table of the demo's `figures.json`, in the same way. */
export async function readDemoFigures(folder: string): Promise<FigureTable[]> {
  const path = join(folder, runFiles.figures)
  const values = Object.entries(parseConfig(demoFiguresSchema, await readJson(path), path))
  return [{ title: 'Demo', figures: Object.fromEntries(values.map(([name, value]) => [name, { value }])) }]
}
