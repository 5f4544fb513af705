// The slice `agreement`: the same training steps, text and image on the GPU and on this machine's CPU, from the same seeds.
import { join } from 'node:path'
import { sidesOf, tinySize } from './sides.mjs'
import { openResults } from './watched.mjs'

const request = { steps: 10, tokens: 32, denoisingSteps: 10 }
const options = { size: { layers: 4, channels: 256, heads: 4, vocabulary: 2048 }, batchTokens: 2048 }
const tinyRequest = { steps: 4, tokens: 4, denoisingSteps: 2 }
const tinyOptions = { size: tinySize, batchTokens: 96, positions: 48 }

/** How far losses may be apart, relative to the CPU's, at any step. In bf16 roundings differ, and text and images with them. */
export const lossTolerance = { f32: 1e-3, bf16: 1e-2 }

/** { lossError, textAgrees, pixelError, holds }: the largest relative difference of a loss, the largest of a pixel in 0 .. 255. */
export function compareOutcomes(compute, gpu, cpu) {
  const errors = cpu.losses.flatMap((step, i) =>
    Object.entries(step).map(([name, value]) => Math.abs((gpu.losses[i]?.[name] ?? NaN) / value - 1)),
  )
  // NaN, where a loss is none or missing, is the largest of all.
  const lossError = errors.some(Number.isNaN) ? NaN : Math.max(...errors)
  const textAgrees = gpu.text === cpu.text
  const pixelError = Math.max(...cpu.pixels.map((pixel, i) => Math.abs(pixel - gpu.pixels[i])))
  const exact = compute === 'bf16' || (textAgrees && pixelError <= 1)
  return { lossError, textAgrees, pixelError, holds: lossError <= lossTolerance[compute] && exact }
}

export async function compareDevices(context) {
  const results = openResults(join(context.folder, 'agreement.json'), 'agreement')
  const sides = sidesOf({ ...context, withoutTorch: true }, results)
  const problems = []
  for (const compute of ['f32', 'bf16']) {
    const outcomes = {}
    for (const device of ['cuda', 'cpu'])
      await sides.run(
        `${compute}, ours: ${device}`,
        () => sides.startOurs('agreement', { ...(context.tiny ? tinyOptions : options), compute }, device),
        async (ask) => {
          outcomes[device] = await ask(context.tiny ? tinyRequest : request)
        },
      )
    if (!outcomes.cuda || !outcomes.cpu) continue
    const row = { compute, ...compareOutcomes(compute, outcomes.cuda, outcomes.cpu) }
    results.add({ ...row, gpu: outcomes.cuda, cpu: outcomes.cpu })
    console.log(`  ${compute}: ${JSON.stringify(row)}`)
    if (!row.holds) problems.push(`${compute}: the devices do not agree`)
  }
  return [results.problems(), ...problems].filter(Boolean).join('; ')
}
