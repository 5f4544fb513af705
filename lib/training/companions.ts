import { checkArguments, checkOptions, wrongArgument } from '../arguments.js'
import { parseConfig } from '../config/parse.js'
import { type OptimizerOptions, optimizerSchema } from './optimizer.js'
import type { Companion, TrainingTask } from './task.js'

/** Throws an error that names what is wrong with a task's companions or its state. */
export function checkCompanions({ arena, companions = [], state = new Map() }: TrainingTask): void {
  checkArguments('TaskTrainer', { 'task.companions': [companions, 'array'], 'task.state': [state, 'map'] })
  const names = new Set<string>()
  const arenas = new Set([arena])
  for (const companion of companions) {
    const { name } = companion
    checkOptions('TaskTrainer', companion, keys, 'each of task.companions')
    if (!/^[\w-]+$/.test(name) || names.has(name))
      throw wrongArgument('TaskTrainer', "a companion's name", 'letters and digits, and its own', name)
    names.add(name)
    checkCompanion(companion, arena.device)
    if (arenas.has(companion.arena))
      throw new Error(`TaskTrainer: companion ${name} must have an arena of its own, received another's`)
    arenas.add(companion.arena)
  }
  for (const [name, tensor] of state) {
    checkArguments('TaskTrainer', { [`task.state ${name}`]: [tensor, 'tensor'] })
    if (tensor.dtype === 'bf16' || tensor.device !== arena.device)
      throw new Error(
        `TaskTrainer: task.state ${name} must be f32 or i32, on ${arena.device}, received ${tensor}`,
      )
  }
}

const keys = { name: true, arena: true, optimizer: true, learningRate: true } as const

function checkCompanion({ name, arena, learningRate = 1 }: Companion, device: string): void {
  checkArguments('TaskTrainer', { [`the arena of companion ${name}`]: [arena, 'arena'] })
  if (arena.device !== device)
    throw new Error(
      `TaskTrainer: companion ${name} must be where the model is, on ${device}, received one on ${arena.device}`,
    )
  if (!(learningRate > 0 && learningRate < Infinity))
    throw wrongArgument(
      'TaskTrainer',
      `the learningRate of companion ${name}`,
      'a factor above 0',
      learningRate,
    )
}

/** Throws a ConfigError that names the companion and what is wrong in its settings. */
export const companionOptimizer = ({ name, optimizer = {} }: Companion): OptimizerOptions =>
  parseConfig(optimizerSchema, optimizer, `optimizer of companion ${name}`)
