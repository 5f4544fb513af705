/** How the parameters of an autoencoder lie in diffusers' files: the weights of convolutions [O, I, K, K], ours [O, K, K, I]. */
import type { ParameterValues } from '../../../nn/parameter_values.js'
import type { Parameter } from '../../../nn/parameters.js'

/** Linear layers that diffusers has as convolutions of 1 x 1. */
const isPointwise = (name: string) => /(^|\.)(quant_conv|post_quant_conv|conv_shortcut)\.weight$/.test(name)

/** The shape of a parameter in the file. */
export function storedShape({ name, shape }: Parameter): readonly number[] {
  if (shape.length === 4) {
    const [outputs, height, width, inputs] = shape as [number, number, number, number]
    return [outputs, inputs, height, width]
  }
  return isPointwise(name) ? [...shape, 1, 1] : shape
}

/** Names that files had before diffusers 0.12, by those of today. */
const oldNames: readonly [name: string, old: string][] = [
  ['.to_q.', '.query.'],
  ['.to_k.', '.key.'],
  ['.to_v.', '.value.'],
  ['.to_out.0.', '.proj_attn.'],
]

/** The names under which a file may have a parameter. */
export function storedNames(name: string): readonly string[] {
  const renamed = oldNames.find(([current]) => name.includes(current))
  return renamed ? [name, name.replace(...renamed)] : [name]
}

/** Values [O, I, K, K] of a convolution as they lie in the arena; those of other parameters lie alike. */
export const fromStored = (values: ParameterValues, { shape }: Parameter): ParameterValues =>
  shape.length === 4 ? swapAxes(values, shape[0]!, shape[3]!, shape[1]! * shape[2]!) : values

/** The inverse of `fromStored`. */
export const toStored = (values: ParameterValues, { shape }: Parameter): ParameterValues =>
  shape.length === 4 ? swapAxes(values, shape[0]!, shape[1]! * shape[2]!, shape[3]!) : values

/** [N, A, B] to [N, B, A]. */
function swapAxes(values: ParameterValues, n: number, a: number, b: number): ParameterValues {
  const swapped = values.slice()
  for (let i = 0; i < n; i++)
    for (let row = 0; row < a; row++)
      for (let column = 0; column < b; column++)
        swapped[(i * b + column) * a + row] = values[(i * a + row) * b + column]!
  return swapped
}
