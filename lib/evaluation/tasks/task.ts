import type { ClassReferences } from '../classes/class_references.js'
import type { EvaluationResult } from './evaluation_result.js'

/** What every task is told. */
export interface TaskOptions {
  seed: number
  signal: AbortSignal | undefined
  onMessage: (line: string) => void
  /** The classifiers of earlier models and tasks. */
  references: ClassReferences
}

/** What a task's measuring gives. */
export type Outcome = Omit<EvaluationResult, 'task' | 'seconds'>
