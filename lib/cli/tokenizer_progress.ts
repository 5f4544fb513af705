import type { BpeSettings } from '../tokenizer/bpe/options.js'
import { type BpeProgress, trainTokenizer } from '../tokenizer/bpe/train_tokenizer.js'
import type { JsonTokenizer } from '../tokenizer/tokenizer.js'

/** Seconds between two lines about progress: in a terminal, where each takes the place of the last, and elsewhere. */
const TERMINAL_SECONDS = 0.2
const PLAIN_SECONDS = 10

/** Trains a tokenizer and shows how far it is on `stream`. Rejects as `trainTokenizer`, or with what `texts` throw. */
export async function trainTokenizerShown(
  texts: AsyncIterable<string>,
  settings: BpeSettings,
  { signal, stream = process.stderr }: { signal?: AbortSignal; stream?: NodeJS.WriteStream } = {},
): Promise<JsonTokenizer> {
  const started = performance.now()
  let shown = -Infinity
  let latest: BpeProgress | undefined
  let written: BpeProgress | undefined
  const write = (progress: BpeProgress) => {
    shown = performance.now()
    written = progress
    const line = `tokenizer: ${describe(progress)}, ${Math.round((shown - started) / 1000)} s`
    stream.write(stream.isTTY ? `\r\u001B[2K${line}` : `${line}\n`)
  }
  const show = (progress: BpeProgress) => {
    const seconds = (performance.now() - shown) / 1000
    // How much was read is said once it is known.
    if (progress.stage === 'merging' && latest?.stage === 'reading' && latest !== written) write(latest)
    else if (seconds >= (stream.isTTY ? TERMINAL_SECONDS : PLAIN_SECONDS)) write(progress)
    latest = progress
  }
  try {
    return await trainTokenizer(texts, settings, { signal, onProgress: show })
  } finally {
    if (stream.isTTY && shown > 0) stream.write('\n')
  }
}

function describe(progress: BpeProgress): string {
  const count = (number: number) => number.toLocaleString('en')
  if (progress.stage === 'merging') return `${count(progress.tokens)} of ${count(progress.vocabulary)} tokens`
  const { characters, words } = progress
  const read = characters < 1e6 ? count(characters) : `${(characters / 1e6).toFixed(1)} million`
  return `${count(words)} different words in ${read} characters`
}
