import { Command, Option } from 'commander'
import { dirname, join, resolve } from 'node:path'
import { given } from '../config/given.js'
import { parseConfig } from '../config/parse.js'
import { readConfig } from '../files/config_file.js'
import { writeJson } from '../files/json_file.js'
import { Transfusion } from '../transfusion.js'
import { modelFolderOf } from '../models/transfusion/io/locate.js'
import { type WeightKind, weightKinds } from '../nn/weight_kinds.js'
import { ClassReferences } from '../evaluation/classes/class_references.js'
import { evaluate } from '../evaluation/evaluate.js'
import { parseDevice } from '../tensor/device.js'
import { evaluateConfigSchema } from '../evaluation/tasks/evaluate_config.js'
import { formatResults, type MeasuredModel } from '../evaluation/tasks/evaluation_result.js'
import { type GenEvalOptions, runGenEval } from './geneval.js'
import { onInterrupt } from './terminal/interrupt.js'
import { say } from './terminal/output.js'
import {
  deviceOption,
  guidanceOption,
  numberOption,
  precisionOption,
  samplerOption,
  seedOption,
  stepsOption,
} from './options/shared.js'
import { textData } from './options/text_data.js'

/** Options of the command line. */
export interface EvaluateOptions extends GenEvalOptions {
  data?: string
  perClass?: number
  captions?: string
  images?: string
  text?: string[]
  questions?: string[]
  geneval?: string
  weights?: WeightKind[]
}

export const evaluateCommand = (): Command =>
  new Command('eval')
    .description(
      'measure a model on data that it was not trained on; without options, on the test images of Fashion-MNIST',
    )
    .argument('[model]', 'the model folder')
    .argument('[config]', 'a JSON file with the tasks')
    .option(
      '--data <name>',
      'generate and describe the classes of: fashion-mnist; or draw and answer: shapes',
    )
    .addOption(
      numberOption('--per-class <number>', 'images to generate of each class, or of each kind of prompts'),
    )
    .addOption(samplerOption('ddim'))
    .addOption(stepsOption())
    .addOption(guidanceOption())
    .option('--captions <file>', "describe the images of COCO's captions, or of Karpathy's test split")
    .option('--images <folder>', 'where the images of --captions are, by default beside the file')
    .option('--text <files...>', 'perplexity on plain text or JSON Lines')
    .option('--questions <files...>', 'rank the options of questions in JSON Lines')
    .option('--geneval <folder>', "draw GenEval's prompts there, or score the pictures that are there")
    .option('--prompts <file>', "GenEval's evaluation_metadata.jsonl, to draw")
    .addOption(numberOption('--samples <number>', 'pictures of each of --prompts, by default 4'))
    .option(
      '--detections <file>',
      'a JSON file of what was detected in the pictures, to score them without a model',
    )
    .addOption(seedOption())
    .addOption(precisionOption())
    .addOption(
      new Option(
        '--weights <kinds...>',
        'how weights are kept in memory; several are measured in turn and shown beside each other',
      ).choices(weightKinds),
    )
    .addOption(deviceOption())
    .option('--json <file>', 'where the metrics go, by default eval.json beside the model')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  transfusion eval runs/demo/model --per-class 100 --steps 50\n' +
        '  transfusion eval runs/train/model --text held-out.txt --questions questions.jsonl\n' +
        '  transfusion eval runs/train/model --text held-out.txt --weights f32 int8 int4\n' +
        '  transfusion eval runs/shapes/model --data shapes --per-class 100\n' +
        '  transfusion eval --geneval pictures --detections detections.json',
    )
    .action(runEvaluate)

/** `transfusion eval MODEL [config.json]`: measures a model on held-out data, as the config or the options say. */
export async function runEvaluate(
  named: string | undefined,
  configPath: string | undefined,
  options: EvaluateOptions,
): Promise<void> {
  if (options.geneval !== undefined) return runGenEval(options.geneval, named, options)
  for (const name of ['prompts', 'samples', 'detections'] as const)
    if (options[name] !== undefined) throw new Error(`--${name} is for --geneval FOLDER, which is missing`)
  if (named === undefined)
    throw new Error('expected a model folder; only --geneval FOLDER --detections FILE needs none')
  const started = performance.now()
  const folder = await modelFolderOf(named)
  const file = configPath === undefined ? {} : await readConfig(configPath, evaluateConfigSchema)
  const config = parseConfig(evaluateConfigSchema, withOptions(file, options), configPath ?? 'options')
  const { precision, device, seed, weights = [undefined] } = config
  parseDevice(device, configPath ?? 'options')
  using interrupt = onInterrupt('Stopping; nothing is written. Press Ctrl-C again to leave at once.')
  using references = new ClassReferences()
  const measured: MeasuredModel[] = []
  for (const kind of weights) {
    if (kind) say(`Weights kept as ${kind}:`)
    using model = await Transfusion.load(folder, given({ compute: precision, weights: kind, device }))
    const { results } = await evaluate(model, config, {
      signal: interrupt.signal,
      onMessage: say,
      references,
    })
    const { parameterCount: parameters } = model
    measured.push({ parameters, precision: model.network.compute, ...(kind && { weights: kind }), results })
  }

  const path = options.json ?? join(dirname(resolve(folder)), 'eval.json')
  const seconds = (performance.now() - started) / 1000
  const [first, ...others] = measured as [MeasuredModel, ...MeasuredModel[]]
  const compared = others.length > 0 && { compared: others }
  await writeJson(path, { model: folder, ...first, seed, ...compared, seconds })
  say(`\n${formatResults(measured)}\n\nseed ${seed}, ${first.precision}; metrics: ${path}`)
}

/** A config's JSON with what the options add to it; without any task, classes on Fashion-MNIST. */
function withOptions(config: unknown, options: EvaluateOptions): unknown {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) return config
  const added = [
    ...classTasks(options),
    ...captionTasks(options),
    ...textTasks(options),
    ...questionTasks(options),
  ]
  const { tasks = [] } = config as { tasks?: unknown }
  return {
    ...config,
    tasks: Array.isArray(tasks)
      ? [...tasks, ...added, ...(tasks.length + added.length === 0 ? [{ type: 'classes' }] : [])]
      : tasks,
    ...given({
      seed: options.seed,
      precision: options.precision,
      weights: options.weights,
      device: options.device,
    }),
  }
}

function classTasks({ data, perClass, sampler, steps, guidance }: EvaluateOptions): object[] {
  const images = given({ sampler, steps, guidance })
  const generation = { ...given({ perClass }), ...(Object.keys(images).length > 0 && { images }) }
  if (data === 'shapes')
    return [{ type: 'shapes', ...given({ perKind: perClass }), ...(generation.images && { images }) }]
  if (data === undefined && Object.keys(generation).length === 0) return []
  return [{ type: 'classes', ...(data !== undefined && { data: { type: data } }), ...generation }]
}

function captionTasks({ captions: path, images }: EvaluateOptions): object[] {
  if (path !== undefined) return [{ type: 'captions', path, ...given({ images }) }]
  if (images === undefined) return []
  throw new Error('--images says where the images of --captions are: add --captions FILE')
}

const textTasks = ({ text = [] }: EvaluateOptions): object[] =>
  text.map((path) => ({ type: 'text', data: textData(path) }))

const questionTasks = ({ questions = [] }: EvaluateOptions): object[] =>
  questions.map((path) => ({ type: 'questions', path }))
