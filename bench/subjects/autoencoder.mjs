// An autoencoder on random images (lib/models/autoencoder): its encoder, its decoder, or a step of training, forward and
// backward with AdamW, of L1 and the KL term.
//   { model, side, batch, work: encode | decode | train, compute, tiled }, then { repeats } -> { seconds (the best), flops, kernels (of
//   all repeats: name, rows x columns where it is a convolution, calls, time, flops), rate, peakMemory }
import { cast, fence, fromArray, keep, noGrad, normal, scope, startProfile } from '../../dist/entry/tensor.js'
import { backward } from '../../dist/autograd/tape.js'
import { AutoencoderNetwork } from '../../dist/models/autoencoder/network.js'
import { runNetwork } from '../../dist/models/autoencoder/run_network.js'
import { autoencoderLoss } from '../../dist/models/autoencoder/training/loss.js'
import { autoencoderTrainingSchema } from '../../dist/models/autoencoder/training/options.js'
import { measureMatmulRate } from '../../dist/reporting/matmul_rate.js'
import { AdamW, adamwSchema } from '../../dist/training/adamw.js'
import { serve } from '../common/subject.mjs'
import { bestOf } from '../common/turns.mjs'

/** Convolutions by the size of their images, other kernels together. */
function byLevel({ kernels }) {
  const totals = new Map()
  for (const { name, tensors, calls, time, flops } of kernels) {
    // Gradients of weights are those of what a convolution gives.
    const images = tensors[name === 'conv2d_backward_weight' ? 1 : 0]?.shape ?? []
    const label = name.startsWith('conv2d') ? `${name} ${images[1]} x ${images[2]}` : name
    const total = totals.get(label) ?? { name: label, calls: 0, time: 0, flops: 0 }
    totals.set(label, {
      name: label,
      calls: total.calls + calls,
      time: total.time + time,
      flops: total.flops + flops,
    })
  }
  return [...totals.values()].toSorted((a, b) => b.time - a.time)
}

await serve(({ model, side, batch, work, compute, tiled }) => {
  // As a codec keeps them: f32 weights beside rounded ones are for training alone.
  const fixed = work === 'train' ? undefined : () => compute
  const network = new AutoencoderNetwork(model, compute, 'cpu', fixed)
  network.arena.initialize(0)
  const random = (...shape) =>
    scope(() => {
      const rows = shape.slice(0, -1).reduce((a, b) => a * b)
      const values = normal(
        fromArray(Int32Array.of(0, rows)),
        fromArray(new Int32Array(4), [1, 4]),
        shape.at(-1),
        rows,
      )
      return keep(cast(values.view(shape), compute))
    })
  const downscale = 2 ** (model.channels.length - 1)
  const low = side / downscale
  const image = [batch, side, side, 3]
  const works = {
    encode() {
      const x = random(...image)
      return () => noGrad(() => network.encode(x))
    },
    decode() {
      const z = random(batch, low, low, model.latentChannels)
      return () => noGrad(() => network.decode(z))
    },
    train() {
      const optimizer = new AdamW(network.arena, adamwSchema.parse({}))
      const { loss } = autoencoderTrainingSchema.parse({ steps: 1 })
      const pixels = { height: side, width: side, channels: 3 }
      const values = Float32Array.from({ length: image.reduce((a, b) => a * b) }, (_, i) => Math.sin(i))
      const seeds = Int32Array.from({ length: 4 * batch }, (_, i) => i)
      const given = { step: 0, images: batch, imagesOfStep: batch, values, seeds }
      return () => {
        backward(autoencoderLoss(network, given, pixels, loss).total)
        optimizer.step(1e-4).free()
      }
    },
  }
  /** Large images in tiles, as a codec computes them. */
  const tiledWorks = {
    encode: () => inTiles(side, 3, 1 / downscale, (network, x) => network.encode(x)),
    decode: () => inTiles(low, model.latentChannels, downscale, (network, z) => network.decode(z)),
  }
  function inTiles(side, channels, factor, body) {
    const values = Float32Array.from({ length: side * side * channels }, (_, i) => Math.sin(i))
    const fields = Array.from({ length: batch }, () => ({ height: side, width: side, channels, values }))
    return async () => void (await runNetwork(network, fields, { factor }, body))
  }
  function whole() {
    const once = works[work]()
    return async () => {
      scope(() => void once())
      await fence()
    }
  }
  const run = tiled ? tiledWorks[work]() : whole()
  return async ({ repeats }) => {
    const profile = startProfile()
    for (let i = 0; i < repeats; i++) await run()
    const kernels = byLevel(await profile.stop())
    return {
      seconds: await bestOf(run, repeats),
      flops: kernels.reduce((sum, kernel) => sum + kernel.flops, 0) / repeats,
      kernels,
      rate: await measureMatmulRate(compute),
      peakMemory: process.resourceUsage().maxRSS * 1024,
    }
  }
})
