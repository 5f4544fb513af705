/** The program of a thread of {@link PreparationPool}. */
import { parentPort, workerData } from 'node:worker_threads'
import type { TokenizedPart } from '../document.js'
import { JsonTokenizer } from '../../tokenizer/tokenizer.js'
import { inlinePreparation } from './preparation.js'
import type { PreparationJob, PreparationResult, WorkerSetup } from './preparation_pool.js'

const { tokenizer, image } = workerData as WorkerSetup
const preparation = inlinePreparation(new JsonTokenizer(...tokenizer), image)

parentPort!.on('message', async ({ id, document }: PreparationJob) => {
  const prepared = await preparation.prepare(document)
  if ('error' in prepared) return post({ id, document: prepared }, [])
  const parts = prepared.parts.map(withOwnPixels)
  const pixels = parts.flatMap((part) => ('image' in part ? [part.image.data.buffer] : []))
  post({ id, document: { name: prepared.name, parts } }, pixels)
})

function post(result: PreparationResult, transfer: ArrayBufferLike[]): void {
  parentPort!.postMessage(result, transfer as ArrayBuffer[])
}

/** The decoder's memory cannot be handed to another thread; a copy can. */
function withOwnPixels(part: TokenizedPart): TokenizedPart {
  if (!('image' in part)) return part
  return { type: 'image', image: { ...part.image, data: part.image.data.slice() } }
}
