// The codes of images, so many together.
//   { size, compute, codes }, then {} -> { config } of the model, or { count, promptTokens } -> { seconds, tokens, peakMemory }
import { makeCaptionTokenizer, Transfusion } from '../../dist/index.js'
import { peakMemory } from '../common/limits.mjs'
import { sizes, words } from '../common/models.mjs'
import { serve } from '../common/subject.mjs'

const image = { channels: 1, patch: 1, height: 16, width: 16 }

await serve(({ size, compute, codes }) => {
  const { vocabulary, ...layers } = sizes[size]
  const special = makeCaptionTokenizer([]).vocabularySize
  const known = Array.from({ length: vocabulary - special }, (_, i) => `w${i + 1}`)
  const model = Transfusion.create(
    { ...layers, qkNorm: true, image: { ...image, codes } },
    makeCaptionTokenizer(known),
    { compute },
  )

  /** Without a codec a model gives the codes themselves. */
  async function draw(number, promptTokens) {
    const options = { startWith: 'image', maxTokens: 0, guidance: 5, seed: number }
    let tokens = 0
    for await (const event of model.generate(words(promptTokens - 1, number), options))
      if (event.type === 'done') tokens = event.usage.imageTokens
    return tokens
  }

  return async ({ count, promptTokens }) => {
    if (count === undefined)
      return { config: { ...model.network.config, positions: image.height * image.width } }
    const started = performance.now()
    const drawn = await Promise.all(Array.from({ length: count }, (_, number) => draw(number, promptTokens)))
    const seconds = (performance.now() - started) / 1000
    return { seconds, tokens: drawn.reduce((sum, tokens) => sum + tokens, 0), peakMemory: peakMemory() }
  }
})
