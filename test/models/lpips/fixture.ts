/** What PyPI's lpips makes of images, see test/fixtures/lpips. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach } from 'vitest'
import { readSafetensors, type SafetensorsTensor } from '../../../lib/files/safetensors/safetensors.js'
import { type LoadLpipsOptions, Lpips } from '../../../lib/models/lpips/lpips.js'
import { fromArray } from '../../../lib/tensor/tensor.js'

const folder = fileURLToPath(new URL('../../fixtures/lpips/', import.meta.url))
export const path = join(folder, 'lpips.safetensors')

interface Case {
  float64: number[]
  per_layer: number[][]
  range: [number, number]
  float32_error: { distance: number; gradient: number }
}
export const { cases } = JSON.parse(await readFile(join(folder, 'lpips.json'), 'utf8')) as {
  cases: Record<string, Case>
}
export const { tensors } = await readSafetensors(path)

/** [N, C, H, W] of the file as [N, H, W, C], each value mapped. */
export function channelsLast({ shape, data }: SafetensorsTensor, map: (value: number) => number = Number) {
  const [N, C, H, W] = shape as [number, number, number, number]
  const values = new Float32Array(data.length)
  for (let n = 0; n < N; n++)
    for (let c = 0; c < C; c++)
      for (let i = 0; i < H * W; i++)
        values[(n * H * W + i) * C + c] = map(Number(data[(n * C + c) * H * W + i]))
  return { shape: [N, H, W, C], values }
}

const loaded: Lpips[] = []
/** Loads weights, which are freed after the test. */
export const load = async (file = path, options?: LoadLpipsOptions) => {
  const lpips = await Lpips.load(file, options)
  loaded.push(lpips)
  return lpips
}
afterEach(() => {
  for (const lpips of loaded.splice(0)) lpips[Symbol.dispose]()
})

/** The images of a case in -1..1, and the factor that its gradient gets from that. */
export function imagesOf(name: string) {
  const unit = cases[name]!.range[0] === 0
  const image = (which: string) => {
    const { shape, values } = channelsLast(tensors.get(`${name}.${which}`)!, (value) =>
      unit ? 2 * value - 1 : value,
    )
    return fromArray(values, shape)
  }
  return { first: image('first'), second: image('second'), factor: unit ? 2 : 1 }
}
