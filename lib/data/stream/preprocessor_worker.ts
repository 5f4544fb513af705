/** The program of a thread of {@link PreprocessorPool}. */
import { parentPort, workerData } from 'node:worker_threads'
import type { TokenizedPart } from '../document.js'
import { JsonTokenizer } from '../../tokenizer/tokenizer.js'
import { inlinePreprocessor } from './preprocessor.js'
import type { PreprocessingJob, PreprocessingResult, WorkerSetup } from './preprocessor_pool.js'

const { tokenizer, image } = workerData as WorkerSetup
const preprocessor = inlinePreprocessor(tokenizer && new JsonTokenizer(...tokenizer), image)

parentPort!.on('message', async ({ id, document }: PreprocessingJob) => {
  const tokenized = await preprocessor.preprocess(document)
  if ('error' in tokenized) return post({ id, document: tokenized }, [])
  const parts = tokenized.parts.map(withOwnPixels)
  const pixels = parts.flatMap((part) => ('image' in part ? [part.image.data.buffer] : []))
  post({ id, document: { name: tokenized.name, parts } }, pixels)
})

function post(result: PreprocessingResult, transfer: ArrayBufferLike[]): void {
  parentPort!.postMessage(result, transfer as ArrayBuffer[])
}

/** The decoder's memory cannot be handed to another thread; a copy can. */
function withOwnPixels(part: TokenizedPart): TokenizedPart {
  if (!('image' in part)) return part
  return { type: 'image', image: { ...part.image, data: part.image.data.slice() } }
}
