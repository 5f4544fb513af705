import type { Worker } from 'node:worker_threads'
import { startWorker } from '../../worker.js'
import {
  isDecoded,
  type RawDocument,
  type RawPart,
  type TokenizedDocument,
  type TokenizedPart,
} from '../document.js'
import type { ImagePreprocessingOptions } from '../../image/image_preprocessing.js'
import type { UnreadableDocument } from '../sources/document_source.js'
import type { JsonTokenizer } from '../../tokenizer/tokenizer.js'
import type { Preprocessor } from './preprocessor.js'

/** What a worker is started with. */
export interface WorkerSetup {
  readonly tokenizer: JsonTokenizer['definition'] | undefined
  readonly image: ImagePreprocessingOptions | undefined
}

export interface PreprocessingJob {
  readonly id: number
  readonly document: RawDocument
}

export interface PreprocessingResult {
  readonly id: number
  readonly document: TokenizedDocument | UnreadableDocument
}

/**
 * Tokenizes and decodes on threads of its own. They keep the process alive only while they have something to do. Where
 * one of them fails, all pending and later calls reject.
 */
export class PreprocessorPool implements Preprocessor {
  readonly #workers: readonly PoolWorker[]
  readonly #readsTexts: boolean
  #ended: Error | undefined

  constructor(
    tokenizer: JsonTokenizer | undefined,
    image: ImagePreprocessingOptions | undefined,
    workers: number,
  ) {
    const setup: WorkerSetup = { tokenizer: tokenizer?.definition, image }
    this.#readsTexts = tokenizer !== undefined
    this.#workers = Array.from({ length: workers }, () => new PoolWorker(setup, (error) => this.#end(error)))
  }

  async preprocess({ name, parts: all }: RawDocument): Promise<TokenizedDocument | UnreadableDocument> {
    const parts = this.#readsTexts ? all : all.filter(({ type }) => type === 'image')
    if (this.#ended) throw this.#ended
    const worker = this.#workers.reduce((least, other) => (other.pending < least.pending ? other : least))
    const tokenized = await worker.preprocess({ name, parts: parts.filter((part) => !isDecoded(part)) })
    return 'error' in tokenized ? tokenized : { name, parts: mergeParts(parts, tokenized.parts) }
  }

  async close(): Promise<void> {
    this.#end(new Error('the preprocessing of documents was closed'))
    await Promise.all(this.#workers.map((worker) => worker.close()))
  }

  #end(error: Error): void {
    if (this.#ended) return
    this.#ended = error
    for (const worker of this.#workers) worker.reject(error)
  }
}

/** All parts in their order: those that were decoded stayed on this thread. */
function mergeParts(parts: readonly RawPart[], tokenized: readonly TokenizedPart[]): TokenizedPart[] {
  const rest = tokenized.values()
  return parts.map((part) => (isDecoded(part) ? part : rest.next().value!))
}

type Settle = Parameters<ConstructorParameters<typeof Promise<PreprocessingResult['document']>>[0]>

class PoolWorker {
  readonly #worker: Worker
  readonly #jobs = new Map<number, Settle>()
  #count = 0

  constructor(setup: WorkerSetup, onFailure: (error: Error) => void) {
    this.#worker = startWorker(new URL('./preprocessor_worker.js', import.meta.url), setup)
    this.#worker.unref()
    this.#worker.on('message', ({ id, document }: PreprocessingResult) => {
      const job = this.#jobs.get(id)
      // It was rejected; a worker that is being ended must keep the process alive until then.
      if (!job) return
      this.#jobs.delete(id)
      if (this.#jobs.size === 0) this.#worker.unref()
      job[0](document)
    })
    const fail = (what: string, cause?: Error) =>
      onFailure(new Error(`a thread that preprocesses documents ${what}`, { cause }))
    this.#worker.on('error', (error) => fail(`failed: ${error.message}`, error))
    this.#worker.on('exit', (code) => fail(`ended with code ${code}`))
  }

  get pending(): number {
    return this.#jobs.size
  }

  preprocess(document: RawDocument): Promise<PreprocessingResult['document']> {
    return new Promise((resolve, reject) => {
      const job: PreprocessingJob = { id: this.#count++, document }
      this.#worker.ref()
      this.#jobs.set(job.id, [resolve, reject])
      this.#worker.postMessage(job, document.parts.flatMap(ownBuffer))
    })
  }

  reject(error: Error): void {
    for (const [, reject] of this.#jobs.values()) reject(error)
    this.#jobs.clear()
    this.#worker.unref()
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }
}

/** The memory of an encoded image where it is all its own: it is handed over instead of copied. */
function ownBuffer(part: RawPart): ArrayBuffer[] {
  if (!('bytes' in part)) return []
  const { buffer, byteLength } = part.bytes
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : []
}
