import { dirname, extname, join, resolve } from 'node:path'
import { parseConfig } from '../config.js'
import { writeAtomically } from '../data/atomic_file.js'
import { readJson } from '../data/json_file.js'
import { loadModel } from '../models/transfusion/folder.js'
import { evaluateConfigSchema } from './evaluate_config.js'
import { formatResults, type EvaluationResult } from './evaluation_result.js'
import { runTask } from './evaluation_tasks.js'
import { onInterrupt } from './interrupt.js'

/** Options of the command line, as text. */
export interface EvaluateOptions {
  data?: string
  perClass?: string
  sampler?: string
  steps?: string
  guidance?: string
  text?: string[]
  questions?: string[]
  seed?: string
  precision?: string
  json?: string
}

const say = (line: string) => process.stdout.write(`${line}\n`)

/** `transfusion eval MODEL [config.json]`: measures a model on held-out data, as the config or the options say. */
export async function evaluate(
  folder: string,
  configPath: string | undefined,
  options: EvaluateOptions,
): Promise<void> {
  const started = performance.now()
  const file = configPath === undefined ? {} : await readJson(configPath)
  const config = parseConfig(evaluateConfigSchema, withOptions(file, options), configPath ?? 'options')
  const { seed, precision, tasks } = config
  using interrupt = onInterrupt('Stopping; nothing is written. Press Ctrl-C again to leave at once.')
  const model = await loadModel(folder, precision)
  using network = model.network
  const results: EvaluationResult[] = []
  for (const task of tasks) results.push(await runTask(model, task, { seed, signal: interrupt.signal, say }))

  const path = options.json ?? join(dirname(resolve(folder)), 'eval.json')
  const summary = {
    model: folder,
    parameters: network.arena.parameterCount,
    precision,
    seed,
    results,
    seconds: (performance.now() - started) / 1000,
  }
  await writeAtomically(path, (file) => file.writeFile(`${JSON.stringify(summary, null, 2)}\n`))
  say(`\n${formatResults(results)}\n\nseed ${seed}, ${precision}; figures: ${path}`)
}

/** A config's JSON with what the options add to it; without any task, classes on Fashion-MNIST. */
function withOptions(config: unknown, options: EvaluateOptions): unknown {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) return config
  const added = [...classTasks(options), ...textTasks(options), ...questionTasks(options)]
  const { tasks = [] } = config as { tasks?: unknown }
  return {
    ...config,
    tasks: Array.isArray(tasks)
      ? [...tasks, ...added, ...(tasks.length + added.length === 0 ? [{ type: 'classes' }] : [])]
      : tasks,
    ...numbers({ seed: options.seed }),
    ...(options.precision !== undefined && { precision: options.precision }),
  }
}

function classTasks({ data, perClass, sampler, steps, guidance }: EvaluateOptions): object[] {
  const images = { ...(sampler !== undefined && { sampler }), ...numbers({ steps, guidance }) }
  const drawing = { ...numbers({ perClass }), ...(Object.keys(images).length > 0 && { images }) }
  if (data === undefined && Object.keys(drawing).length === 0) return []
  return [{ type: 'classes', ...(data !== undefined && { data: { type: data } }), ...drawing }]
}

const textTasks = ({ text = [] }: EvaluateOptions): object[] =>
  text.map((path) => ({
    type: 'text',
    data: { type: ['.jsonl', '.ndjson'].includes(extname(path)) ? 'jsonl' : 'text', path },
  }))

const questionTasks = ({ questions = [] }: EvaluateOptions): object[] =>
  questions.map((path) => ({ type: 'questions', path }))

/** The given ones of some options as numbers. */
const numbers = (options: Record<string, string | undefined>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(options).flatMap(([name, text]) => (text === undefined ? [] : [[name, Number(text)]])),
  )
