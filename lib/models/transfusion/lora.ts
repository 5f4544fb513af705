import { z } from 'zod'
import { ConfigError, parseConfig } from '../../config/parse.js'
import { LowRankUpdate } from '../../nn/low_rank.js'
import { matchingNames, patternsSchema } from '../../nn/parameter_patterns.js'
import type { Parameter, ParameterList } from '../../nn/parameters.js'
import { isImageParameter } from './image_parameters.js'

/** The linear layers of a block that text goes through, as they are called by `targets`. */
const linears = ['qkv', 'output', 'gate_up', 'down'] as const

/** Low-rank updates that are trained beside frozen weights (LoRA, arXiv 2106.09685). */
export const loraSchema = z.strictObject({
  /** r, of each update; one of each matrix of queries, keys, values, gate and up. PEFT's default. */
  rank: z.int().positive().default(8),
  /** The updates count alpha / rank times. PEFT's default. */
  alpha: z.number().positive().default(8),
  /**
   * Linear layers: `qkv`, `output`, `gate_up` and `down` are those that text goes through, in all blocks; or names, in which
   * `*` stands for any characters: 'layers.0.attention.*', 'layers.*.image.*', 'patch_encoder.*'.
   */
  targets: patternsSchema.default([...linears]),
})
/** Low-rank updates (LoRA): rank, alpha and the layers that have them, defaults filled in. */
export type Lora = z.output<typeof loraSchema>
/** Low-rank updates (LoRA) as written by a user, defaults left out. @useDeclaredType */
export type LoraSettings = z.input<typeof loraSchema>

/** Throws a ConfigError that begins with `where`. */
export const parseLora = (lora: LoraSettings | undefined, where: string): Lora | undefined =>
  lora === undefined ? undefined : parseConfig(loraSchema, lora, where)

/** Matrices that are no linear layer's, or, the output, are used by themselves. */
const otherMatrices = ['embedding.weight', 'output.weight', 'image.boi.weight']

/** The names of the weights that may have updates: of all linear layers but the output. */
export const adaptableNames = (parameters: readonly Parameter[]): string[] =>
  parameters
    .filter(({ name, shape }) => shape.length === 2 && !isFactor(name) && !otherMatrices.includes(name))
    .map(({ name }) => name)

/**
 * The names of the weights that the updates stand beside; none without `lora`.
 * @throws ConfigError that names a target which no linear layer is
 */
export function adaptedNames(
  parameters: readonly Parameter[],
  lora: Lora | undefined,
  where: string,
): ReadonlySet<string> {
  if (!lora) return new Set()
  const layers = adaptableNames(parameters).map((name) => name.slice(0, -'.weight'.length))
  const isLinear = (target: string) => linears.some((name) => name === target)
  const named = (target: string) =>
    layers.filter((name) => name.endsWith(`.${target}`) && !isImageParameter(`${name}.weight`))
  const patterns = lora.targets.filter((target) => !isLinear(target))
  const unknown = patterns.find((pattern) => /^\w+$/.test(pattern))
  if (unknown !== undefined)
    throw new ConfigError(
      `${where}: targets: expected ${linears.join(', ')}, or names like layers.0.attention.qkv, in which * stands for any ` +
        `characters; received "${unknown}"`,
    )
  const chosen = [
    ...lora.targets.filter(isLinear).flatMap(named),
    ...matchingNames(layers, patterns, `${where}: targets`),
  ]
  return new Set(chosen.map((name) => `${name}.weight`))
}

/** Gives weights their updates, the factors added to `list`. Throws a ConfigError as `adaptedNames`. */
export function addUpdates(list: ParameterList, parameters: readonly Parameter[], lora: Lora): void {
  const adapted = adaptedNames(parameters, lora, 'lora')
  for (const parameter of parameters)
    if (adapted.has(parameter.name))
      parameter.update = new LowRankUpdate(
        list.under(parameter.name.replace(/\.weight$/, '')),
        parameter,
        lora,
      )
}

/** Whether a parameter is a factor of an update. */
export const isFactor = (name: string): boolean => /\.lora_[AB]\.\d+$/.test(name)

/** Throws a ConfigError unless two are the same, or there is none in both. */
export function refuseOtherLora(
  given: Lora | undefined,
  own: Lora | undefined,
  where: string,
  remedy: string,
): void {
  if (JSON.stringify(given) === JSON.stringify(own)) return
  throw new ConfigError(
    `${where}: lora is ${JSON.stringify(given) ?? 'not set'}, the model has ${JSON.stringify(own) ?? 'none'}: ${remedy}`,
  )
}
