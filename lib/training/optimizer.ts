import { z } from 'zod'
import type { ParameterArena } from '../nn/arena.js'
import { AdamW, adamwSchema } from './adamw.js'
import { Muon, muonSchema } from './muon.js'
import type { Optimizer } from './optimizer_step.js'
import type { ParameterGroups } from './parameter_groups.js'

/** AdamW, the paper's and the default, or Muon. */
export const optimizerSchema = z.discriminatedUnion('type', [
  /** AdamW, the paper's. */
  adamwSchema.extend({ type: z.literal('adamw').default('adamw') }),
  /** Muon for the blocks' matrices; AdamW, with the values of the other options, for the rest. */
  muonSchema.extend({ type: z.literal('muon') }),
])
/** An optimizer and its settings, defaults filled in. @useDeclaredType */
export type OptimizerOptions = z.output<typeof optimizerSchema>
/** As written by a user, defaults left out. @useDeclaredType */
export type OptimizerSettings = z.input<typeof optimizerSchema>

/** The optimizer that the options name. */
export const createOptimizer = (
  arena: ParameterArena,
  options: OptimizerOptions,
  groups?: ParameterGroups,
): Optimizer =>
  options.type === 'muon' ? new Muon(arena, options, groups) : new AdamW(arena, options, groups)
