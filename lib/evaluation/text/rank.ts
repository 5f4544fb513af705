import { checkArguments, checkOptions } from '../../arguments.js'
import { formatValue } from '../../describe.js'
import { type DocumentPrompt, promptParts, textPart } from '../../generation/prompt.js'
import type { GenerativeModel } from '../../generation/model.js'
import type { EncodedPart } from '../../sequence/image_parts.js'
import type { DocumentParts, Part } from '../../sequence/document.js'
import { documentLikelihoods, type Likelihood, type LikelihoodOptions } from './likelihood.js'
import { type Question, type Ranking, rankingOf } from './ranking.js'

/** How options are ranked. */
export interface RankOptions extends LikelihoodOptions {
  /** Whether the option ends the document, its end token counting as one of its own. Default false. */
  end?: boolean
  /** Whether the likelihood of each option without the context is computed too: `bestByInformation`. Default false. */
  unconditional?: boolean
}

/**
 * Answers questions by rank classification: the likelihood of each option after the context. Yields one ranking a
 * question, in order. Rejects with a RangeError for a question without options, an option without tokens, or another number of
 * contexts than of options.
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
  checkOptions('rankOptions', settings, { end: true, unconditional: true, positions: true, signal: true })
  const { end = false, unconditional = false, ...options } = settings
  /** Those whose options have no likelihoods yet. */
  const pending: Question[] = []
  let count = 0
  async function* documents() {
    for await (const question of questions) {
      const name = `rankOptions: question ${count}`
      checkArguments(name, { question: [question, 'object'] })
      checkArguments(name, { options: [question.options, 'strings'] })
      if (question.options.length === 0) throw new RangeError(`${name} must have options, received none`)
      pending.push(question)
      yield* await optionDocuments(model, question, name, end)
      if (unconditional) yield* await optionDocuments(model, { ...question, context: [] }, name, end)
      count++
    }
  }
  let likelihoods: Likelihood[] = []
  for await (const likelihood of documentLikelihoods(model.network, documents(), options)) {
    likelihoods.push(likelihood)
    const answers = pending[0]!.options
    if (likelihoods.length < answers.length * (unconditional ? 2 : 1)) continue
    pending.shift()
    const given = likelihoods.slice(0, answers.length)
    yield rankingOf(answers, given, unconditional ? likelihoods.slice(answers.length) : undefined)
    likelihoods = []
  }
}

async function optionDocuments(
  model: GenerativeModel,
  { context, options }: Question,
  name: string,
  end: boolean,
): Promise<DocumentParts<EncodedPart>[]> {
  const contexts = await contextsOf(context, options.length, model, name)
  return Promise.all(
    options.map(async (option, i) => {
      const answer = await textPart(option, model.tokenizer)
      if (answer.ids.length === 0)
        throw new RangeError(
          `${name} must have options of one token or more, received ${formatValue(option)}`,
        )
      return { parts: [...contexts[i]!, answer], end }
    }),
  )
}

/** What precedes each option, none of it counting. */
async function contextsOf(
  context: Question['context'],
  count: number,
  model: GenerativeModel,
  name: string,
): Promise<Part<EncodedPart>[][]> {
  const partsOf = async (prompt: DocumentPrompt) => {
    const parts = await promptParts(prompt, model)
    const { bos, end } = model.network.config.tokens
    // Without anything before it an option's first token would have no likelihood.
    const before = parts.length === 0 && bos === undefined ? [{ type: 'text' as const, ids: [end] }] : parts
    return before.map((part) => (part.type === 'text' ? { ...part, weight: 0 } : part))
  }
  if (typeof context !== 'object' || !('each' in context)) {
    const parts = await partsOf(context)
    return Array.from({ length: count }, () => parts)
  }
  checkArguments(name, { 'context.each': [context.each, 'array'] })
  if (context.each.length !== count)
    throw new RangeError(
      `${name} must have a context for each of its ${count} options, received ${context.each.length}`,
    )
  return Promise.all(context.each.map(partsOf))
}
