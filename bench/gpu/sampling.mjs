// The slice `sampling`: images of 256 patches after 128 tokens in 25 steps with guidance, and text with cached keys and values,
// one and several together, in bf16, beside PyTorch's, eager and compiled.
import { join } from 'node:path'
import { cosineSchedule, ddim, paperVocabulary, presets } from '../../dist/index.js'
import { sidesOf, tinySize } from './sides.mjs'
import { openResults } from './watched.mjs'

const models = { '0.16B': { ...presets['0.16B'], vocabulary: paperVocabulary.vocabulary } }

const text = (count, tokens) => ({ text: { count, promptTokens: 8, tokens } })
const image = (count, promptTokens, steps) => ({ image: { count, promptTokens, steps } })
const requests = {
  'text of 1': text(1, 256),
  'text of 16': text(16, 256),
  'image of 1': image(1, 128, 25),
  'image of 16': image(16, 128, 25),
}
const tinyRequests = { 'text of 1': text(1, 4), 'image of 1': image(1, 8, 2) }

/** The steps of DDIM with what noise there is at each. */
function ddimSteps(count) {
  const schedule = cosineSchedule()
  return ddim(schedule)
    .steps(count)
    .map((step) => ({ ...step, ...schedule.coefficients(step.t) }))
}

const peers = { 'PyTorch eager': { compiled: false }, 'PyTorch compiled': { compiled: true } }

export async function measureSampling(context) {
  const results = openResults(join(context.folder, 'sampling.json'), 'sampling')
  const sides = sidesOf(context, results)
  const chosen = context.tiny ? tinyRequests : requests
  const schedules = { 2: ddimSteps(2), 25: ddimSteps(25) }
  for (const [size, model] of Object.entries(context.tiny ? { tiny: tinySize } : models)) {
    let config
    const measure = (side) => async (ask) => {
      if (side === 'ours') ({ config } = await ask({}))
      for (const [what, request] of Object.entries(chosen)) {
        const { best, median, answer } = await sides.measure(ask, request, { rounds: context.tiny ? 1 : 3 })
        const { count } = request.text ?? request.image
        const { tokens, weightBytes, peakMemory } = answer
        console.log(`  ${size}, ${what}, ${side}: ${best.toFixed(3)} s`)
        results.add({ size, what, side, best, median, count, tokens, weightBytes, peakMemory })
      }
    }
    await sides.run(`${size}, ours`, () => sides.startOurs('sample', { size: model }), measure('ours'))
    if (config && sides.torch)
      for (const [side, how] of Object.entries(peers)) {
        const options = { config, ddim: schedules, ...how }
        await sides.run(`${size}, ${side}`, () => sides.startPeer('sample', options), measure(side))
      }
  }
  return results.problems()
}
