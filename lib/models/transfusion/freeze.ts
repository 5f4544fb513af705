import { z } from 'zod'
import { ConfigError } from '../../config/parse.js'
import type { FixedStorage } from '../../nn/fixed_parameters.js'
import { matchingNames, patternsSchema } from '../../nn/parameter_patterns.js'
import type { Parameter } from '../../nn/parameters.js'
import { isImageParameter } from './image_parameters.js'
import { adaptedNames, type Lora } from './lora.js'

/** Which parameters are not trained. */
export const freezeSchema = z.union([
  /** All that text uses. */
  z.literal('text'),
  patternsSchema,
])
/**
 * Which parameters are not trained: 'text', all but those that positions of images alone use; or names, in which `*` stands for
 * any characters.
 */
export type Freeze = 'text' | readonly string[]

/** What is trained of a model. */
export interface Trained {
  readonly freeze?: Freeze | undefined
  /** The weights that it adapts are frozen. */
  readonly lora?: Lora | undefined
}

/**
 * How a model's parameters are kept where some are frozen: those in f32, as they are, outside the arena. `where`: what comes before
 * `freeze` and `lora` in messages.
 * @throws ConfigError that names a pattern which no parameter has, or says that nothing is left to train
 */
export function frozenStorage(
  parameters: readonly Parameter[],
  trained: Trained,
  where: string,
): FixedStorage | undefined {
  const frozen = frozenNames(parameters, trained, where)
  if (frozen.size === 0) return undefined
  return ({ name }) => (frozen.has(name) ? 'f32' : undefined)
}

/** The names of those that are frozen; `parameters`: without the factors of LoRA. Throws as `frozenStorage`. */
export function frozenNames(
  parameters: readonly Parameter[],
  { freeze, lora }: Trained,
  where: string,
): ReadonlySet<string> {
  const adapted = adaptedNames(parameters, lora, `${where}lora`)
  if (freeze === undefined) return adapted
  const checked = freezeSchema.safeParse(freeze)
  if (!checked.success)
    throw new ConfigError(
      `${where}freeze: expected "text" or a list of names of parameters, received ${JSON.stringify(freeze)}`,
    )
  const names = parameters.map(({ name }) => name)
  const frozen =
    freeze === 'text'
      ? new Set(names.filter((name) => !isImageParameter(name)))
      : matchingNames(names, freeze, `${where}freeze`)
  if (frozen.size === names.length && !lora)
    throw new ConfigError(`${where}freeze: expected some parameter to be left to train, received all of them`)
  return new Set([...frozen, ...adapted])
}
