import type { JsonTokenizer } from '../tokenizer/tokenizer.js'
import type { DocumentPrompt } from './prompt.js'

/** Words that a warning names, at most. */
const mostNamed = 5

/** A warning that names words of a prompt that the tokenizer does not know; undefined where it knows them all. */
export async function unknownWordsOf(
  tokenizer: JsonTokenizer,
  prompt: DocumentPrompt,
): Promise<string | undefined> {
  const texts = [prompt].flat().filter((piece) => typeof piece === 'string')
  const unknown = await Promise.all(texts.map((text) => tokenizer.unknownWords(text)))
  const words = [...new Set(unknown.flat())]
  if (words.length === 0) return undefined
  const named = words.slice(0, mostNamed).map((word) => JSON.stringify(word))
  const others = words.length > mostNamed ? ` and ${words.length - mostNamed} more` : ''
  return `the model's tokenizer does not know ${named.join(', ')}${others}: it reads each as the same unknown word`
}
