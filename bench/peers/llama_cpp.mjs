// llama.cpp's side of bench decode, by node-llama-cpp: what bench/subjects/decode.mjs answers, for the same GGUF file.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { decodingAnswers, sums } from '../common/decoding.mjs'
import { serve } from '../common/subject.mjs'

/** Tokens of a text and what it continues with at most. */
const textSize = 1024

await serve(async ({ folder, model: modelPath, threads }) => {
  const path = createRequire(join(folder, 'package.json')).resolve('node-llama-cpp')
  const { getLlama, LlamaLogLevel } = await import(pathToFileURL(path))
  const llama = await getLlama({
    build: 'never',
    gpu: false,
    maxThreads: threads,
    logLevel: LlamaLogLevel.error,
    logger: (_, message) => console.error(message),
  })
  const model = await llama.loadModel({ modelPath })
  const contexts = new Map()
  /** A context of so many texts; it stays. */
  const contextOf = async (texts) => {
    if (!contexts.has(texts))
      contexts.set(texts, await model.createContext({ contextSize: textSize, sequences: texts, threads }))
    return contexts.get(texts)
  }
  return decodingAnswers(async (prompts, count) => {
    const context = await contextOf(prompts.length)
    const written = prompts.map(async (prompt) => {
      const sequence = context.getSequence()
      const ids = model.tokenize(prompt)
      let tokens = 0
      for await (const _ of sequence.evaluate(ids, { temperature: 0 })) if (++tokens === count) break
      sequence.dispose()
      return [tokens, ids.length]
    })
    return sums(await Promise.all(written))
  })
})
