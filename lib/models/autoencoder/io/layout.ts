/** How the parameters of an autoencoder lie in diffusers' files. */
import type { Parameter } from '../../../nn/parameters.js'
import { convolutionShape } from '../../../nn/stored_convolution.js'

/** Linear layers that diffusers has as convolutions of 1 x 1. */
const isPointwise = (name: string) => /(^|\.)(quant_conv|post_quant_conv|conv_shortcut)\.weight$/.test(name)

/** The shape of a parameter in the file. */
export const storedShape = (parameter: Parameter): readonly number[] =>
  isPointwise(parameter.name) ? [...parameter.shape, 1, 1] : convolutionShape(parameter)

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
