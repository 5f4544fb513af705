// What the models are trained on: documents of 1024 positions, of which two images' patches are the half.
import { words } from './models.mjs'

export const batchTokens = 2048

async function documentOf({ tokenizer, network }, number, positions) {
  const { channels, height, width, patch } = network.config.image
  const data = Uint8Array.from({ length: height * width * channels }, (_, i) => (i * 37) % 256)
  // BOS, end, and BOI and EOI of each image are positions too.
  const textTokens = (positions - 2 * (height / patch) * (width / patch) - 2 - 4) / 2
  const text = async (part) => ({
    type: 'text',
    ids: await tokenizer.encode(words(textTokens, 2 * number + part)),
  })
  const picture = { type: 'image', image: { channels, height, width, data } }
  return { name: `document ${number}`, parts: [await text(0), picture, await text(1), picture] }
}

/** Two documents without end, made once: training data that costs nothing to read. */
export const readyDocuments =
  (model, positions = 1024) =>
  () => {
    const documents = [0, 1].map((number) => documentOf(model, number, positions))
    let next = 0
    return {
      next: async () => ({ document: await documents[next++ % 2], state: { sources: [] } }),
      close: async () => {},
    }
  }

/** AdamW with the paper's settings, a batch being two documents as they are. */
export const trainingSettings = {
  steps: 1_000_000,
  batchTokens,
  conditionDropout: 0,
  learningRate: { peak: 1e-3, warmupSteps: 0 },
}
