// Images and texts, so many together, on the device of TRANSFUSION_DEVICE.
//   { size, compute }, then {} -> { config } of the model for PyTorch's, or
//   { image: { count, promptTokens, steps } } or { text: { count, promptTokens, tokens } } -> { seconds, peakMemory }, and of
//   text { tokens, weightBytes, rate }: what every token reads of the weights, and the machine's read bandwidth
import { measureReadBandwidth, onCpu, peakMemory } from '../common/limits.mjs'
import { exportConfig } from '../common/export_batches.mjs'
import { makeModel, words } from '../common/models.mjs'
import { serve } from '../common/subject.mjs'

/** A prompt of so many positions, BOS being the first. */
const prompts = (count, tokens) => Array.from({ length: count }, (_, number) => words(tokens - 1, number))

async function timed(work) {
  const started = performance.now()
  const result = await work()
  return { ...result, seconds: (performance.now() - started) / 1000 }
}

const draw = (model, { count, promptTokens, steps }) =>
  timed(async () => {
    await model.generateImages(prompts(count, promptTokens), undefined, { steps, sampler: 'ddim' })
  })

async function textTokens(model, prompt, maxTokens) {
  for await (const event of model.generate(prompt, { maxTokens, maxImages: 0 }))
    if (event.type === 'done') return event.usage.textTokens
}

const write = (model, { count, promptTokens, tokens }) =>
  timed(async () => {
    const written = await Promise.all(
      prompts(count, promptTokens).map((prompt) => textTokens(model, prompt, tokens)),
    )
    return { tokens: written.reduce((sum, tokens) => sum + tokens, 0) }
  })

await serve(({ size, compute }) => {
  const model = makeModel(size, compute)
  const weightBytes = model.network.arena.parameters
    .filter(({ name }) => name.startsWith('layers.') || name === 'output.weight')
    .reduce((sum, { tensor }) => sum + tensor.bytes, 0)
  return async ({ image, text }) => {
    if (!image && !text) return { config: exportConfig(model) }
    const result = image
      ? await draw(model, image)
      : {
          ...(await write(model, text)),
          weightBytes,
          rate: onCpu() ? await measureReadBandwidth() : undefined,
        }
    return { ...result, peakMemory: peakMemory() }
  }
})
