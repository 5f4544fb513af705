import { checkArguments, checkOptions } from '../../arguments.js'
import { formatValue } from '../../describe.js'
import { type DocumentPrompt, promptParts, textPart } from '../../generation/prompt.js'
import type { GenerativeModel } from '../../generation/model.js'
import type { EncodedPart } from '../../sequence/image_parts.js'
import type { DocumentParts } from '../../sequence/document.js'
import { accuracy } from '../image_metrics/image_metrics.js'
import { documentLikelihoods, type Likelihood, type LikelihoodOptions } from './likelihood.js'

/** A question with the answers to choose from. */
export interface Question {
  /** What precedes every option. */
  readonly context: DocumentPrompt
  /** Continuations of the context, tokenized by themselves. */
  readonly options: readonly string[]
}

/** The likelihoods of a question's options, and the best ones. */
export interface Ranking {
  /** One for each option, in the order of the question. */
  readonly likelihoods: readonly Likelihood[]
  /** The index of the likeliest option, the first of equal ones. */
  readonly best: number
  /** The index of the option whose tokens are the likeliest on average. */
  readonly bestPerToken: number
}

/** How often the right option ranks first. */
export interface RankMetrics {
  /** Share of the questions whose right option is the likeliest. */
  readonly rank_accuracy: number
  /** Share of those of whose right option the tokens are the likeliest on average. */
  readonly rank_accuracy_per_token: number
}

/** How options are ranked. */
export interface RankOptions extends LikelihoodOptions {
  /** Whether the option ends the document, its end token counting as one of its own. Default false. */
  end?: boolean
}

/**
 * Answers questions by rank classification: the likelihood of each option after the context. Yields one ranking a
 * question, in order. Rejects with a RangeError for a question without options or an option without tokens.
 */
export async function* rankOptions(
  model: GenerativeModel,
  questions: Iterable<Question> | AsyncIterable<Question>,
  settings: RankOptions = {},
): AsyncGenerator<Ranking, void, undefined> {
  checkArguments('rankOptions', {
    model: [model, 'model'],
    questions: [questions, 'iterable'],
  })
  checkOptions('rankOptions', settings, { end: true, positions: true, signal: true })
  const { end = false, ...options } = settings
  /** The number of options of each question that is not ranked yet. */
  const pending: number[] = []
  let count = 0
  async function* documents() {
    for await (const question of questions) {
      checkArguments(`rankOptions: question ${count}`, { question: [question, 'object'] })
      checkArguments(`rankOptions: question ${count}`, { options: [question.options, 'strings'] })
      if (question.options.length === 0)
        throw new RangeError(`rankOptions: question ${count} must have options, received none`)
      pending.push(question.options.length)
      yield* await optionDocuments(model, question, `rankOptions: question ${count}`, end)
      count++
    }
  }
  let likelihoods: Likelihood[] = []
  for await (const likelihood of documentLikelihoods(model.network, documents(), options)) {
    likelihoods.push(likelihood)
    if (likelihoods.length < pending[0]!) continue
    pending.shift()
    yield {
      likelihoods,
      best: leastOf(likelihoods.map(({ nll }) => nll)),
      bestPerToken: leastOf(likelihoods.map(({ nll, tokens }) => nll / tokens)),
    }
    likelihoods = []
  }
}

/**
 * How often the right option ranks first. `targets`: the index of the right option of each question. Rejects with a
 * RangeError for another number of rankings.
 */
export async function rankAccuracy(
  rankings: AsyncIterable<Ranking>,
  targets: readonly number[],
): Promise<RankMetrics> {
  checkArguments('rankAccuracy', { rankings: [rankings, 'iterable'], targets: [targets, 'numbers'] })
  const best: number[] = []
  const bestPerToken: number[] = []
  for await (const ranking of rankings) {
    checkArguments('rankAccuracy', { 'each of rankings': [ranking, 'object'] })
    best.push(ranking.best)
    bestPerToken.push(ranking.bestPerToken)
  }
  return { rank_accuracy: accuracy(best, targets), rank_accuracy_per_token: accuracy(bestPerToken, targets) }
}

async function optionDocuments(
  model: GenerativeModel,
  { context, options }: Question,
  name: string,
  end: boolean,
): Promise<DocumentParts<EncodedPart>[]> {
  const given = await promptParts(context, model)
  const parts = given.map((part) => (part.type === 'text' ? { ...part, weight: 0 } : part))
  return Promise.all(
    options.map(async (option) => {
      const answer = await textPart(option, model.tokenizer)
      if (answer.ids.length === 0)
        throw new RangeError(
          `${name} must have options of one token or more, received ${formatValue(option)}`,
        )
      return { parts: [...parts, answer], end }
    }),
  )
}

const leastOf = (values: readonly number[]): number => values.indexOf(Math.min(...values))
