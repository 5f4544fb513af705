import { checkArguments } from '../../arguments.js'
import type { DocumentPrompt } from '../../generation/prompt.js'
import { accuracy } from '../image_metrics/image_metrics.js'
import type { Likelihood } from './likelihood.js'

/** A question with the answers to choose from. */
export interface Question {
  /** What precedes every option; or what precedes each, one for each option, which may then be equal (WinoGrande). */
  readonly context: DocumentPrompt | { readonly each: readonly DocumentPrompt[] }
  /** Continuations of the context, tokenized by themselves. */
  readonly options: readonly string[]
}

/** The likelihoods of a question's options, and the best ones by several rules. The first of equal ones is best. */
export interface Ranking {
  /** One for each option, in the order of the question. */
  readonly likelihoods: readonly Likelihood[]
  /** The index of the likeliest option. */
  readonly best: number
  /** The index of the option whose tokens are the likeliest on average. */
  readonly bestPerToken: number
  /** As that, per character (code point); the space that an option begins with does not count. */
  readonly bestPerCharacter: number
  /** As that, per byte of UTF-8. */
  readonly bestPerByte: number
  /** The index of the option that the context makes likelier by the largest factor; undefined where that was not computed. */
  readonly bestByInformation?: number | undefined
}

/** How often the right option ranks first. Names in brackets are lm-evaluation-harness's. */
export interface RankMetrics {
  /** Share of the questions whose right option is the likeliest (acc). */
  readonly rank_accuracy: number
  /** Share of those of whose right option the tokens are the likeliest on average. */
  readonly rank_accuracy_per_token: number
  /** Per character (acc_norm). */
  readonly rank_accuracy_per_character: number
  /** Per byte (acc_bytes). */
  readonly rank_accuracy_per_byte: number
  /** By the factor that the context makes an option likelier by (acc_mutual_info); absent where that was not computed. */
  readonly rank_accuracy_by_information?: number
}

/** Ranks options by their likelihoods after the context and, where they are given, without it. */
export function rankingOf(
  options: readonly string[],
  likelihoods: readonly Likelihood[],
  unconditional?: readonly Likelihood[],
): Ranking {
  const costs = likelihoods.map(({ nll }) => nll)
  const leastBy = (lengthOf: (i: number) => number) => leastOf(costs.map((nll, i) => nll / lengthOf(i)))
  const counted = options.map((option) => option.replace(/^ /, ''))
  return {
    likelihoods,
    best: leastOf(costs),
    bestPerToken: leastBy((i) => likelihoods[i]!.tokens),
    bestPerCharacter: leastBy((i) => [...counted[i]!].length),
    bestPerByte: leastBy((i) => Buffer.byteLength(counted[i]!)),
    ...(unconditional && { bestByInformation: leastOf(costs.map((nll, i) => nll - unconditional[i]!.nll)) }),
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
  const all: Ranking[] = []
  for await (const ranking of rankings) {
    checkArguments('rankAccuracy', { 'each of rankings': [ranking, 'object'] })
    all.push(ranking)
  }
  const share = (best: (ranking: Ranking) => number) => accuracy(all.map(best), targets)
  return {
    rank_accuracy: share(({ best }) => best),
    rank_accuracy_per_token: share(({ bestPerToken }) => bestPerToken),
    rank_accuracy_per_character: share(({ bestPerCharacter }) => bestPerCharacter),
    rank_accuracy_per_byte: share(({ bestPerByte }) => bestPerByte),
    ...(all.every(({ bestByInformation }) => bestByInformation !== undefined) && {
      rank_accuracy_by_information: share(({ bestByInformation }) => bestByInformation!),
    }),
  }
}

const leastOf = (values: readonly number[]): number => values.indexOf(Math.min(...values))
