import { openSource } from '../../datasets/data_config.js'
import { PreprocessorPool } from '../../data/stream/preprocessor_pool.js'
import { evaluateClasses } from '../classes/evaluate_classes.js'
import { readQuestions } from '../text/question_file.js'
import { rankOptions } from '../text/rank.js'
import { rankAccuracy } from '../text/ranking.js'
import { textPerplexity } from '../text/text_perplexity.js'
import { checkImageGeneration } from '../../generation/generate_images.js'
import type { ImageGenerationOptions } from '../../generation/options.js'
import type { GenerativeModel } from '../../generation/model.js'
import { generatedPreprocessing, openClasses } from './class_data_config.js'
import { LeftOutReport } from '../../run/left_out_report.js'
import { unreadablePolicy } from '../../run/train_data.js'
import type {
  ClassTask,
  EditTask,
  EvaluationTask,
  QuestionTask,
  ShapesTask,
  TextTask,
} from './evaluate_config.js'
import { type EvaluationResult, type Metric, shareMetric } from './evaluation_result.js'
import type { Outcome, TaskOptions } from './task.js'
import { runCaptions } from './run_captions.js'
import { runEdits } from './run_edits.js'
import { runShapes } from './run_shapes.js'
import { smallestSide } from '../../datasets/shapes/render.js'
import { squareSide } from '../generated_size.js'
import { requireImagePreprocessing } from '../../sequence/image_model.js'

/** How a task's images are generated: by the sampler that needs few steps where none is named. */
const imagesOf = (
  { images }: ClassTask | EditTask | ShapesTask,
  { objective }: GenerativeModel,
): ImageGenerationOptions => ({
  ...images,
  sampler: images.sampler ?? (objective.process === 'flow' ? 'euler' : 'ddim'),
})

/** Rejects with an Error that names what a task asks of a model that it cannot do, before any task is run. */
export async function checkTask(model: GenerativeModel, task: EvaluationTask): Promise<void> {
  if (task.type === 'shapes' || task.type === 'edits') squareSide(task.type, model, smallestSide)
  if (task.type === 'classes' || task.type === 'edits' || task.type === 'shapes')
    await checkImageGeneration(model, [], imagesOf(task, model))
}

/** Runs one task of a config. Rejects with the signal's reason when it aborts. */
export async function runTask(
  model: GenerativeModel,
  task: EvaluationTask,
  options: TaskOptions,
): Promise<EvaluationResult> {
  const started = performance.now()
  const outcome = await outcomeOf(model, task, options)
  return { task: task.type, ...outcome, seconds: (performance.now() - started) / 1000 }
}

function outcomeOf(model: GenerativeModel, task: EvaluationTask, options: TaskOptions): Promise<Outcome> {
  switch (task.type) {
    case 'classes':
      return runClasses(model, task, options)
    case 'captions':
      return runCaptions(model, task, options)
    case 'text':
      return runText(model, task, options)
    case 'shapes':
      return runShapes(model, { ...task, images: imagesOf(task, model) }, options)
    case 'edits':
      return runEdits(model, { ...task, images: imagesOf(task, model) }, options)
    case 'questions':
      return runQuestions(model, task, options)
  }
}

async function runClasses(
  model: GenerativeModel,
  task: ClassTask,
  { seed, signal, onMessage, references }: TaskOptions,
): Promise<Outcome> {
  const preprocessing = generatedPreprocessing(model)
  const { testName, ...data } = await openClasses(task.data, task.caption, preprocessing)
  const settings = { ...task, images: imagesOf(task, model) }
  const { perClass, images, ranked } = settings
  const { metrics, generated, described } = await evaluateClasses(model, data, {
    seed,
    perClass,
    images,
    described: task.described,
    ranked,
    reference: (train) =>
      references.get({ data: task.data, caption: task.caption, preprocessing, perClass, seed }, train),
    onMessage,
    ...(signal && { signal }),
  })
  const counts: Record<string, number> = {
    classifier_accuracy: data.test.length,
    image_accuracy: generated?.images.length ?? 0,
    caption_accuracy: described.length,
    rank_accuracy: Math.min(task.ranked, data.test.length),
    rank_accuracy_per_token: Math.min(task.ranked, data.test.length),
  }
  const { kid_standard_error, ...rest } = metrics
  const shown = Object.entries(rest).map(([name, value]): [string, Metric] => {
    if (counts[name]) return [name, shareMetric(value, counts[name])]
    return [name, name === 'kid' ? { value, standard_error: kid_standard_error! } : { value }]
  })
  const { type: _type, ...stated } = settings
  return { data: testName, settings: { seed, ...stated }, metrics: Object.fromEntries(shown) }
}

async function runText(
  model: GenerativeModel,
  task: TextTask,
  { signal, onMessage }: TaskOptions,
): Promise<Outcome> {
  const { data, window, stride = Math.ceil(window / 2) } = task
  const name = 'path' in data ? [data.path].flat().join(', ') : data.type
  onMessage(`Reading ${name} ...`)
  const source = await openSource(data)
  const leftOut = new LeftOutReport(onMessage)
  const preprocessor = new PreprocessorPool(model.tokenizer, model.imagePreprocessing, 1)
  try {
    const { perplexity, bitsPerByte, documents, tokens, bytes } = await textPerplexity(
      model,
      source.once(),
      preprocessor,
      { window, stride, ...(signal && { signal }), onUnreadable: unreadablePolicy(task, leftOut.onSkip) },
    )
    for (const line of leftOut.summary([{ source }])) onMessage(line)
    const metrics = {
      perplexity: { value: perplexity, count: tokens },
      bits_per_byte: { value: bitsPerByte, count: bytes },
    }
    return { data: name, settings: { window, stride, documents }, metrics }
  } finally {
    await preprocessor.close()
  }
}

async function runQuestions(
  model: GenerativeModel,
  { path, end, unconditional }: QuestionTask,
  { signal, onMessage }: TaskOptions,
): Promise<Outcome> {
  onMessage(`Answering ${path} ...`)
  const answers: number[] = []
  async function* questions() {
    for await (const question of readQuestions(path, requireImagePreprocessing(model, path))) {
      answers.push(question.answer)
      yield question
    }
  }
  const found = await rankAccuracy(
    rankOptions(model, questions(), { end, unconditional, ...(signal && { signal }) }),
    answers,
  )
  const metrics = Object.fromEntries(
    Object.entries(found).map(([name, value]) => [name, shareMetric(value, answers.length)]),
  )
  return { data: path, settings: { end, unconditional }, metrics }
}
