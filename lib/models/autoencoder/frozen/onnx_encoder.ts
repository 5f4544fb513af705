/** A frozen encoder in an ONNX file, computed by onnxruntime-node, which users install themselves. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { checksumOf } from '../../../files/checksum.js'
import { fileError } from '../../../files/file_error.js'
import { HeldFiles } from '../../../files/held_files.js'
import { encoderFile, type FeatureMaps, type FrozenEncoder } from './encoder.js'

/** What is used of onnxruntime-node, which has no part in the build. */
interface OnnxRuntime {
  readonly InferenceSession: {
    create(model: Uint8Array, options: { executionProviders: string[] }): Promise<OnnxSession>
  }
  readonly Tensor: new (type: 'float32', values: Float32Array, shape: readonly number[]) => OnnxTensor
}
interface OnnxTensor {
  readonly type: string
  readonly dims: readonly number[]
  readonly data: unknown
}
interface OnnxSession {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  run(inputs: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>
  release(): Promise<void>
}

const packageName = 'onnxruntime-node'

/** The package, or an Error that says how to install it. Its install script would download libraries of CUDA, unasked. */
function loadRuntime(path: string): OnnxRuntime {
  try {
    return createRequire(import.meta.url)(packageName) as OnnxRuntime
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    throw new Error(
      `${path}: ONNX is computed by the package ${packageName}, which is not installed: npm install --ignore-scripts ${packageName}`,
      { cause: error },
    )
  }
}

/**
 * Reads a network of one input, images [N, C, H, W], whose first output are features [N, L, h, w], both f32. It is computed on
 * the CPU. Rejects with an Error that begins with the path where it cannot be read or computed, or onnxruntime-node is not
 * installed.
 */
export async function loadOnnxEncoder(path: string): Promise<FrozenEncoder> {
  const model = await readFile(path).catch((error: unknown) => {
    throw fileError(path, error)
  })
  const runtime = loadRuntime(path)
  const named = (error: unknown) => new Error(`${path}: ${(error as Error).message}`, { cause: error })
  const session = await runtime.InferenceSession.create(model, { executionProviders: ['cpu'] }).catch(
    (error: unknown) => {
      throw named(error)
    },
  )
  const [input, ...others] = session.inputNames
  const output = session.outputNames[0]
  if (input === undefined || output === undefined || others.length > 0)
    throw new Error(`${path}: expected a network of one input, received ${session.inputNames.length}`)
  const checksum = await checksumOf(path)
  const files = new HeldFiles({ [encoderFile]: path })
  return {
    name: path,
    checksum,
    saveInto: (folder) => files.saveInto(folder),
    [Symbol.dispose]() {
      files[Symbol.dispose]()
      void session.release()
    },
    async encode(images, shape): Promise<FeatureMaps> {
      const tensor = new runtime.Tensor('float32', images, shape)
      const results = await session.run({ [input]: tensor }).catch((error: unknown) => {
        throw named(error)
      })
      const { type, dims, data } = results[output]!
      if (!(data instanceof Float32Array))
        throw new Error(`${path}: output "${output}" must be float32, it is ${type}`)
      return { shape: dims, values: data }
    },
  }
}
