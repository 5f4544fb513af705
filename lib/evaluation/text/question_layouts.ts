/** Questions of public test sets, one JSON object each, as lm-evaluation-harness 0.4 asks them without examples. */
import { z } from 'zod'
import { parseConfig } from '../../config/parse.js'
import type { Question } from './ranking.js'

/** A question with the number of its right option, from 0. */
export interface AnsweredQuestion extends Question {
  readonly answer: number
}

const text = z.string()
const index = z
  .union([z.int(), z.string().regex(/^\d+$/, { error: 'expected a whole number' })])
  .transform(Number)

/** A layout: the keys by which it is known, and the question that a record is. */
interface Layout {
  readonly keys: readonly string[]
  readonly schema: z.ZodType<AnsweredQuestion>
}

const isAnswered = ({ answer, options }: AnsweredQuestion) => options[answer] !== undefined

const layout = <Schema extends z.ZodType>(
  keys: readonly string[],
  schema: Schema,
  read: (record: z.output<Schema>) => AnsweredQuestion,
): Layout => ({
  keys,
  schema: schema
    .transform(read)
    .refine(isAnswered, { error: 'expected the answer to be one of the options' }),
})

/** After a context that ends without a space. */
const spaced = (options: readonly string[]) => options.map((option) => ` ${option}`)

/** Takes away what WikiHow's texts have of their markup. */
const plain = (ending: string) =>
  ending
    .trim()
    .replaceAll(' [title]', '. ')
    .replaceAll(/\[.*?\]/g, '')
    .replaceAll('  ', ' ')

const capitalized = (words: string) => words.slice(0, 1).toUpperCase() + words.slice(1).toLowerCase()

const layouts: readonly Layout[] = [
  // HellaSwag
  layout(
    ['ctx_a', 'ctx_b', 'endings'],
    z.object({ activity_label: text, ctx_a: text, ctx_b: text, endings: z.array(text).min(2), label: index }),
    ({ activity_label, ctx_a, ctx_b, endings, label }) => ({
      context: plain(`${activity_label}: ${ctx_a} ${capitalized(ctx_b)}`),
      options: spaced(endings.map(plain)),
      answer: label,
    }),
  ),
  // PIQA
  layout(
    ['goal', 'sol1', 'sol2'],
    z.object({ goal: text, sol1: text, sol2: text, label: index }),
    ({ goal, sol1, sol2, label }) => ({
      context: `Question: ${goal}\nAnswer:`,
      options: spaced([sol1, sol2]),
      answer: label,
    }),
  ),
  // Social IQa, whose labels are from 1
  layout(
    ['answerA', 'answerB', 'answerC'],
    z.object({ context: text, question: text, answerA: text, answerB: text, answerC: text, label: index }),
    ({ context, question, answerA, answerB, answerC, label }) => ({
      context: `Q: ${context} ${question}\nA:`,
      options: spaced([answerA, answerB, answerC]),
      answer: label - 1,
    }),
  ),
  // WinoGrande: what follows the gap, after the sentence up to it with either option in it
  layout(
    ['sentence', 'option1', 'option2'],
    z.object({
      sentence: text.refine((sentence) => sentence.includes('_'), { error: 'expected a sentence with _' }),
      option1: text,
      option2: text,
      answer: index,
    }),
    ({ sentence, option1, option2, answer }) => {
      const gap = sentence.indexOf('_')
      const rest = ` ${sentence.slice(gap + 1).trim()}`
      return {
        context: { each: [option1, option2].map((option) => sentence.slice(0, gap) + option) },
        options: [rest, rest],
        answer: answer - 1,
      }
    },
  ),
  // ARC, as Hugging Face has it
  layout(
    ['question', 'choices', 'answerKey'],
    z.object({
      question: text,
      choices: z.object({ text: z.array(text).min(2), label: z.array(text) }),
      answerKey: text,
    }),
    ({ question, choices, answerKey }) => arc(question, choices.text, choices.label, answerKey),
  ),
  // ARC, as AI2 has it
  layout(
    ['question', 'answerKey'],
    z.object({
      question: z.object({ stem: text, choices: z.array(z.object({ text, label: text })).min(2) }),
      answerKey: text,
    }),
    ({ question: { stem, choices }, answerKey }) =>
      arc(
        stem,
        choices.map((choice) => choice.text),
        choices.map(({ label }) => label),
        answerKey,
      ),
  ),
]

const arc = (question: string, options: readonly string[], labels: readonly string[], key: string) => ({
  context: `Question: ${question}\nAnswer:`,
  options: spaced(options),
  answer: labels.indexOf(key),
})

/**
 * The question that a record of a public test set is; undefined where its keys are of none. Throws a ConfigError that begins with
 * `name` where a value is not what the set has, or the answer none of the options.
 */
export function publicQuestion(record: unknown, name: string): AnsweredQuestion | undefined {
  const found = layouts.find(({ keys }) =>
    keys.every((key) => typeof record === 'object' && record !== null && Object.hasOwn(record, key)),
  )
  return found && parseConfig(found.schema, record, name)
}
