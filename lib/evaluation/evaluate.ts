import { checkArguments, checkOptions } from '../arguments.js'
import { parseConfig } from '../config/parse.js'
import type { GenerativeModel } from '../generation/model.js'
import { ClassReferences } from './classes/class_references.js'
import { type EvaluateSettings, evaluateConfigSchema } from './tasks/evaluate_config.js'
import type { EvaluationResult } from './tasks/evaluation_result.js'
import { checkTask, runTask } from './tasks/run_task.js'

/** What goes beside an evaluation. */
export interface EvaluateOptions {
  /** Stops the evaluation, which then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Receives a line on each part that begins, and on the progress of long ones. */
  onMessage?: (line: string) => void
  /** The classifiers that measure generated images, where several models are measured on the same data; the caller frees them. */
  references?: ClassReferences
}

/** The results of a config's tasks. */
export interface Evaluation {
  /** Of the config. */
  readonly seed: number
  /** One for each task, in order: its metrics, each with its count and standard error where it has such. */
  readonly results: readonly EvaluationResult[]
  /** Of all tasks together. */
  readonly seconds: number
}

/**
 * Measures a model as the config of `transfusion eval` says, and returns what that command writes. The config's
 * `precision`, `weights` and `device` are for whoever loads the model. Throws a ConfigError that names what is wrong in the config;
 * rejects with an Error that names what the model cannot do before any task is run, and with the signal's reason when it
 * aborts.
 */
export async function evaluate(
  model: GenerativeModel,
  config: EvaluateSettings,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  checkArguments('evaluate', { model: [model, 'model'], config: [config, 'object'] })
  checkOptions('evaluate', options, { signal: true, onMessage: true, references: true })
  const { signal, onMessage = () => {} } = options
  const { seed, tasks } = parseConfig(evaluateConfigSchema, config, 'evaluate')
  const started = performance.now()
  using own = new ClassReferences()
  const { references = own } = options
  for (const task of tasks) await checkTask(model, task)
  const results: EvaluationResult[] = []
  for (const task of tasks) results.push(await runTask(model, task, { seed, signal, onMessage, references }))
  return { seed, results, seconds: (performance.now() - started) / 1000 }
}
