// Texts that are continued by a language model of a GGUF file, its weights as the file has them.
//   { model, threads }, then what bench/common/decoding.mjs says
import { Transfusion } from '../../dist/index.js'
import { setThreads } from '../../dist/entry/tensor.js'
import { decodingAnswers, sums } from '../common/decoding.mjs'
import { serve } from '../common/subject.mjs'

/** The smallest: a language model has no images, and none are generated here. */
const image = { channels: 1, patch: 2, height: 2, width: 2 }

await serve(async ({ model: path, threads }) => {
  setThreads(threads)
  const model = await Transfusion.fromPretrained(path, { image, weights: 'stored' })
  return decodingAnswers(async (prompts, maxTokens) => {
    const written = prompts.map(async (prompt) => {
      for await (const event of model.generate(prompt, { maxTokens, maxImages: 0 }))
        if (event.type === 'done') return [event.usage.textTokens, event.usage.promptTokens]
    })
    return sums(await Promise.all(written))
  })
})
