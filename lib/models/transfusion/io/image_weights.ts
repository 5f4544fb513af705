import { type ParameterArena } from '../../../nn/arena.js'
import type { Parameter } from '../../../nn/parameters.js'
import { textCounterpart } from '../image_parameters.js'

/**
 * Gives parameters that image positions have of their own the values of the text's, those that are chosen, so that the model
 * computes what it would with shared weights (LMFusion, arXiv 2412.15188, section 3.1). `updated` is to follow.
 */
export function copyTextWeights(
  arena: ParameterArena,
  chosen: (parameter: Parameter) => boolean = () => true,
): void {
  const byName = new Map(arena.everyParameter.map((parameter) => [parameter.name, parameter]))
  for (const parameter of arena.everyParameter.filter(chosen)) {
    const text = byName.get(textCounterpart(parameter.name) ?? '')
    if (text) arena.copy(parameter, text)
  }
}
