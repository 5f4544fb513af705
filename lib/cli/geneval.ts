import { join } from 'node:path'
import { given } from '../config/given.js'
import { drawGenEval } from '../evaluation/geneval/draw.js'
import { genEvalMetrics } from '../evaluation/geneval/result.js'
import { scoreGenEval } from '../evaluation/geneval/score.js'
import { formatResults } from '../evaluation/tasks/evaluation_result.js'
import { writeJson } from '../files/json_file.js'
import { samplerSchema } from '../diffusion/samplers.js'
import { modelFolderOf } from '../models/transfusion/io/locate.js'
import { Transfusion } from '../transfusion.js'
import type { Device } from '../tensor/device.js'
import { onInterrupt } from './terminal/interrupt.js'
import { say } from './terminal/output.js'

/** Those of the command line's options that drawing and scoring GenEval's pictures have. */
export interface GenEvalOptions {
  prompts?: string
  samples?: number
  detections?: string
  sampler?: string
  steps?: number
  guidance?: number
  seed?: number
  precision?: string
  device?: Device
  json?: string
}

/** `transfusion eval --geneval FOLDER`: draws GenEval's prompts into the folder, or scores its pictures by detections. */
export async function runGenEval(
  folder: string,
  named: string | undefined,
  options: GenEvalOptions,
): Promise<void> {
  const { prompts, detections } = options
  if (detections !== undefined && prompts === undefined && named === undefined)
    return scoreFolder(folder, detections, options)
  if (prompts !== undefined && detections === undefined && named !== undefined)
    return drawFolder(folder, named, prompts, options)
  throw new Error(
    '--geneval FOLDER takes a model and --prompts FILE, which draws pictures into the folder, ' +
      'or, without a model, --detections FILE, which scores them',
  )
}

async function drawFolder(
  folder: string,
  named: string,
  prompts: string,
  { samples = 4, seed = 0, sampler, steps = 50, guidance = 1.5, precision, device }: GenEvalOptions,
): Promise<void> {
  using interrupt = onInterrupt('Stopping; the same command goes on. Press Ctrl-C again to leave at once.')
  using model = await Transfusion.load(
    await modelFolderOf(named),
    given({ compute: precision as 'f32' | 'bf16' | undefined, device }),
  )
  const usual = model.objective.process === 'flow' ? 'euler' : 'ddim'
  const images = { sampler: samplerSchema.parse(sampler ?? usual), steps, guidance }
  const { signal } = interrupt
  const drawn = await drawGenEval(model, prompts, folder, { samples, seed, images, signal, onMessage: say })
  say(`${drawn} pictures are drawn in ${folder}; detect what they show, and score with --detections`)
}

async function scoreFolder(
  folder: string,
  detections: string,
  { json = join(folder, 'results.json') }: GenEvalOptions,
): Promise<void> {
  const started = performance.now()
  const pictures = await scoreGenEval(folder, detections)
  const metrics = genEvalMetrics(pictures)
  const seconds = (performance.now() - started) / 1000
  const results = [{ task: 'geneval', data: folder, settings: { detections }, metrics, seconds }]
  await writeJson(json, { results, pictures })
  say(`${formatResults([{ results }])}\n\neach picture's verdict: ${json}`)
}
