import { join } from 'node:path'
import { z } from 'zod'
import { parseConfig } from '../config/parse.js'
import { type Checksums, readListed, readSealed, writeSealed } from '../files/checksum.js'
import { type PendingTensor, readSafetensors, writeSafetensors } from '../files/safetensors/safetensors.js'
import { sameShape } from '../tensor/shape.js'
import type { Tensor } from '../tensor/tensor.js'
import { writePieces } from '../tensor/write_pieces.js'
import { storedProductsSchema } from './training_products.js'

const count = z.int().min(0)

const trainingStateSchema = z.strictObject({
  step: count,
  /** Of training. */
  seconds: z.number().min(0),
  skippedSteps: count,
  gradientNorms: z.strictObject({ mean: z.number(), count }),
  /** The parameters that are not trained; absent where all are. */
  frozen: z.array(z.string()).optional(),
  /** Of training on a GPU. */
  products: storedProductsSchema.optional(),
})
/** Where training stands, but for what tensors hold. */
export interface TrainingState extends z.output<typeof trainingStateSchema> {
  /** Where the task's data stands; absent before the first step. */
  readonly data?: unknown
}

/** `training.json` of a checkpoint, of a task whose data states are those of `dataState`. */
const checkpointSchema = (dataState: z.ZodType) =>
  trainingStateSchema.extend({
    data: dataState.optional(),
    /** Of the checkpoint's files, this one included; absent in those made before there were any. */
    checksums: z.record(z.string(), z.string()).optional(),
  })

const stateFile = 'training.json'
const tensorFile = 'training.safetensors'

/**
 * Writes into a checkpoint's folder what training goes on from: its state, and tensors of f32 or i32 by name. `checksums`:
 * of what else belongs to it.
 */
export async function writeTrainingState(
  folder: string,
  state: TrainingState,
  tensors: ReadonlyMap<string, Tensor>,
  checksums: Checksums,
): Promise<void> {
  const pending = [...tensors].map(([name, tensor]): [string, PendingTensor] => {
    const { shape } = tensor
    return tensor.dtype === 'i32'
      ? [name, { dtype: 'i32', shape, read: () => tensor.readInts() }]
      : [name, { dtype: 'f32', shape, read: () => tensor.readFloats() }]
  })
  const sum = await writeSafetensors(join(folder, tensorFile), new Map(pending))
  // Last: it says that the others are there.
  const path = join(folder, stateFile)
  await writeSealed(path, stateFile, { ...state, checksums: { ...checksums, [tensorFile]: sum } })
}

/** What a run did whose checkpoint has other tensors than expected, as that of this name tells. */
function reasonOf(name: string, otherwise: string): string {
  const [kind, companion] = name.split('.')
  if (kind === 'companions') return `trained another network as ${companion}, or had none beside the model`
  return kind === 'state' ? 'kept other state than this one does' : otherwise
}

/** A checkpoint but for the model, in memory. */
export interface StoredTraining {
  readonly state: TrainingState
  /** Of what else belongs to it; absent where there are none. */
  readonly checksums: Checksums | undefined
  /** Writes its tensors over those of the same names. */
  write(tensors: ReadonlyMap<string, Tensor>): Promise<void>
}

/** Moments and average lie in memory by the parameters that are trained. */
function refuseOtherFrozen(path: string, earlier: readonly string[], now: readonly string[]): void {
  const freed = earlier.find((name) => !now.includes(name))
  const other = freed ?? now.find((name) => !earlier.includes(name))
  if (other === undefined) return
  const [was, is] = freed === undefined ? ['trained', 'frozen'] : ['frozen', 'trained']
  throw new Error(
    `${path}: ${other} was ${was} in the run and is ${is} now: freeze what it froze, or begin a run with its weights`,
  )
}

/**
 * Reads what `writeTrainingState` wrote, for tensors like `tensors`, of which none is overwritten yet, and data states of
 * `dataState`. Throws an Error that
 * names the file where one is malformed or does not fit; a DamagedFileError where it is not what was written, unless
 * `verify` is false.
 */
export async function readTrainingState(
  folder: string,
  { tensors, state: { frozen = [] } }: { tensors: ReadonlyMap<string, Tensor>; state: TrainingState },
  dataState: z.ZodType,
  verify = true,
): Promise<StoredTraining> {
  const path = join(folder, stateFile)
  const parse = (json: unknown) => parseConfig(checkpointSchema(dataState), json, path)
  const { checksums, ...state } = await readSealed(path, { name: stateFile, parse, verify })
  refuseOtherFrozen(path, state.frozen ?? [], frozen)
  const listed = { list: path, name: tensorFile, checksums: verify ? checksums : undefined }
  const tensorPath = join(folder, tensorFile)
  const { tensors: stored } = await readListed(tensorPath, listed, (sum) => readSafetensors(tensorPath, sum))
  const unknown = [...stored.keys()].find((name) => !tensors.has(name))
  if (unknown !== undefined)
    throw new Error(
      `${tensorPath}: has ${unknown}: the run ${reasonOf(unknown, 'had another optimizer, or an average (ema)')}`,
    )
  const values = new Map(
    [...tensors].map(([name, tensor]) => {
      const found = stored.get(name)
      if (!found)
        throw new Error(
          `${tensorPath}: ${name} is missing: the run ${reasonOf(name, 'had another optimizer or other options')}`,
        )
      if (found.dtype !== tensor.dtype || !sameShape(found.shape, tensor.shape))
        throw new Error(`${tensorPath}: ${name} is ${found.dtype} of [${found.shape}], expected ${tensor}`)
      return [name, found.data as Float32Array | Int32Array]
    }),
  )
  const write = async (targets: ReadonlyMap<string, Tensor>) => {
    for (const [name, data] of values) {
      const tensor = targets.get(name)!
      await writePieces(data, tensor.device, (piece, start) => {
        using target = tensor.view([piece.length], start)
        target.write(piece)
      })
    }
  }
  return { state, checksums: listed.checksums, write }
}
