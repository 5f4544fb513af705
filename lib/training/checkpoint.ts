import { join } from 'node:path'
import { z } from 'zod'
import { parseConfig } from '../config.js'
import { readJson, writeJson } from '../data/json_file.js'
import { readSafetensors, type SafetensorsTensor, writeSafetensors } from '../data/safetensors.js'
import { sameShape } from '../tensor/shape.js'
import type { Tensor } from '../tensor/tensor.js'

const count = z.int().min(0)

/** Where training stands, but for what tensors hold: `training.json` of a checkpoint. */
const trainingStateSchema = z.strictObject({
  step: count,
  /** Of training. */
  seconds: z.number().min(0),
  skippedSteps: count,
  gradientNorms: z.strictObject({ mean: z.number(), count }),
  /** Absent before the first step. */
  data: z
    .strictObject({
      sources: z
        .array(
          z.strictObject({
            cursor: z.record(z.string(), z.number()).optional(),
            piece: count.optional(),
            positions: count,
            skipped: count,
          }),
        )
        .readonly(),
    })
    .optional(),
})
export type TrainingState = z.output<typeof trainingStateSchema>

const stateFile = 'training.json'
const tensorFile = 'training.safetensors'

/** Writes into a checkpoint's folder what training goes on from: its state, and tensors of f32 or i32 by name. */
export async function writeTrainingState(
  folder: string,
  state: TrainingState,
  tensors: ReadonlyMap<string, Tensor>,
): Promise<void> {
  const values = new Map<string, SafetensorsTensor>()
  for (const [name, tensor] of tensors) values.set(name, await valuesOf(tensor))
  await writeSafetensors(join(folder, tensorFile), values)
  await writeJson(join(folder, stateFile), state)
}

async function valuesOf(tensor: Tensor): Promise<SafetensorsTensor> {
  const { shape } = tensor
  return tensor.dtype === 'i32'
    ? { dtype: 'i32', shape, data: await tensor.readInts() }
    : { dtype: 'f32', shape, data: await tensor.readFloats() }
}

/**
 * Reads what `writeTrainingState` wrote, the tensors into `tensors`. Throws an Error that names the file where one is
 * malformed or does not fit: nothing is overwritten then.
 */
export async function readTrainingState(
  folder: string,
  tensors: ReadonlyMap<string, Tensor>,
): Promise<TrainingState> {
  const path = join(folder, stateFile)
  const state = parseConfig(trainingStateSchema, await readJson(path), path)
  const tensorPath = join(folder, tensorFile)
  const { tensors: stored } = await readSafetensors(tensorPath)
  const values = [...tensors].map(([name, tensor]) => {
    const found = stored.get(name)
    if (!found)
      throw new Error(`${tensorPath}: ${name} is missing: the run had another optimizer or other options`)
    if (found.dtype !== tensor.dtype || !sameShape(found.shape, tensor.shape))
      throw new Error(`${tensorPath}: ${name} is ${found.dtype} of [${found.shape}], expected ${tensor}`)
    return [tensor, found.data as Float32Array | Int32Array] as const
  })
  for (const [tensor, data] of values) tensor.write(data)
  return state
}
