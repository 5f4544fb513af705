import { describe, expect, it } from 'vitest'
import { backward, noGrad, trackGradient } from '../../../lib/autograd/tape.js'
import type { SafetensorsTensor } from '../../../lib/files/safetensors/safetensors.js'
import { discriminatorLoss, generatorLoss } from '../../../lib/models/autoencoder/training/adversarial.js'
import { PatchDiscriminator, smallestImage } from '../../../lib/models/autoencoder/training/discriminator.js'
import type { ParameterArena } from '../../../lib/nn/arena.js'
import { cast } from '../../../lib/ops/cast.js'
import { memory } from '../../../lib/tensor/device.js'
import { scope } from '../../../lib/tensor/scope.js'
import { fromArray, zeros } from '../../../lib/tensor/tensor.js'
import { CheckpointFolder } from '../../../lib/training/checkpoint_folder.js'
import type { TrainingSettings } from '../../../lib/training/options.js'
import type { StepReport } from '../../../lib/training/step_report.js'
import { TaskTrainer } from '../../../lib/training/task_trainer.js'
import { temporaryFolder } from '../../temporary_folder.js'
import { watchCalls } from '../../training/watch_calls.js'
import {
  adversarialTraining,
  type AdversarialTaskOptions,
  pytorchTraining,
  sizes,
  start,
  writeWeights,
} from './adversarial_training.js'
import { trainedReports } from '../../training/trained_reports.js'

const fixture = await pytorchTraining()
const stored = (name: string) => fixture.tensors.get(name)! as SafetensorsTensor & { data: Float32Array }
const tensorOf = (name: string) => fromArray(stored(name).data, stored(name).shape)
const worst = (found: ArrayLike<number>, expected: ArrayLike<number>) => {
  expect(found.length).toBe(expected.length)
  return Array.from(expected, (value, i) => Math.abs(value - found[i]!)).reduce((a, b) => Math.max(a, b), 0)
}

const largestOf = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)

/** Fails unless values are as near to those in float64 as PyTorch's own in float32 are, or 4 times as far. */
function expectClose(found: ArrayLike<number>, name: string): void {
  const { data } = stored(name)
  const allowed = Math.max(4 * fixture.float32_error[name]!, 2 ** -22 * largestOf(data))
  expect(worst(found, data), name).toBeLessThanOrEqual(allowed)
}

async function expectWeights(arena: ParameterArena, prefix: string): Promise<void> {
  for (const parameter of arena.parameters) {
    using values = arena.valuesOf(parameter)
    expectClose(await values.readFloats(), `${prefix}.${parameter.name}`)
  }
}

const settings = (more: Partial<TrainingSettings> = {}): TrainingSettings => ({
  steps: 3,
  optimizer: { beta1: 0.5, beta2: 0.9, weightDecay: 0.01, clip: 1e6 },
  learningRate: { peak: 1e-3, final: 1e-3, warmupSteps: 0 },
  ...more,
})

const valuesOf = ({ arena, discriminator }: { arena: ParameterArena; discriminator: PatchDiscriminator }) =>
  Promise.all([arena, discriminator.arena].map(({ values }) => values.readFloats()))

describe('PatchDiscriminator', () => {
  it('has the logits that PyTorch has, and the gradients of both losses', async () => {
    using discriminator = new PatchDiscriminator(sizes)
    const { arena } = discriminator
    writeWeights(arena, fixture.tensors, 'initial.discriminator')
    const y = tensorOf('other')
    const dy = trackGradient(y)
    const logits = noGrad(() => discriminator.forward(y))
    expect(logits.shape).toEqual(stored('logits').shape)
    expectClose(await logits.readFloats(), 'logits')
    arena.zeroGradients()
    scope(() => backward(arena.frozen(() => generatorLoss(discriminator.forward(y)))))
    expectClose(await dy.readFloats(), 'dother')
    expect((await arena.gradients.readFloats()).every((value) => value === 0)).toBe(true)
    const { data } = stored('images')
    const images = fromArray(data.slice(0, y.elements), y.shape)
    scope(() => backward(discriminatorLoss(discriminator.forward(images), discriminator.forward(y))))
    for (const { name, tensor } of arena.parameters)
      expectClose(await tensor.gradientTarget!.gradient.readFloats(), `gradient.${name}`)
  })

  it('has the weights of its convolutions and norms, and a logit for each patch', () => {
    using discriminator = new PatchDiscriminator({ imageChannels: 3, channels: 64, layers: 3 })
    expect(discriminator.arena.parameterCount).toBe(2_765_633)
    discriminator.arena.initialize(1)
    expect(noGrad(() => discriminator.forward(zeros([1, 64, 64, 3]))).shape).toEqual([1, 6, 6, 1])
  })

  it.each([1, 2, 3])('has a logit for the smallest image of %d layers, and none below', (layers) => {
    using discriminator = new PatchDiscriminator({ imageChannels: 1, channels: 2, layers })
    const side = smallestImage(layers)
    const logits = (side: number) => noGrad(() => discriminator.forward(zeros([2, side, side, 1])))
    expect(logits(side).shape).toEqual([2, 1, 1, 1])
    expect(() => logits(side - 1)).toThrow(
      `discriminator: images of ${side - 1} x ${side - 1} pixels are too small for ${layers} layer`,
    )
  })

  it('computes in bf16 what it does in f32, to its rounding', async () => {
    using discriminator = new PatchDiscriminator(sizes, 'bf16')
    writeWeights(discriminator.arena, fixture.tensors, 'initial.discriminator')
    const logits = noGrad(() => discriminator.forward(cast(tensorOf('other'), 'bf16')))
    expect(logits.dtype).toBe('bf16')
    const { data } = stored('logits')
    expect(worst(await logits.readFloats(), data)).toBeLessThan(2 ** -5 * largestOf(data))
  })
})

describe('an autoencoder and its discriminator', () => {
  it('are trained as by PyTorch, with its adaptive weight, from the step on that the discriminator begins', async () => {
    using made = await adversarialTraining()
    using trainer = new TaskTrainer(made.task, settings())
    const reports = await trainedReports(trainer)
    const found = reports.map(({ terms }) => Object.values(terms))
    expect(reports.map(({ terms }) => Object.keys(terms))).toEqual([
      ['reconstruction'],
      ...Array.from({ length: 2 }, () => [
        'reconstruction',
        'generator',
        'discriminator',
        'adversarial_weight',
      ]),
    ])
    expect(worst(found.flat(), fixture.terms.flat())).toBeLessThan(
      4 * Math.max(fixture.float32_error['terms']!, 2 ** -22),
    )
    await expectWeights(made.arena, 'trained.autoencoder')
    await expectWeights(made.discriminator.arena, 'trained.discriminator')
  })

  it.each<[string, Partial<TrainingSettings>, AdversarialTaskOptions, number]>([
    ['before the discriminator begins', {}, {}, start],
    ['afterwards', {}, {}, 4],
    ['bf16, parts, an average', { gradientAccumulation: 2, ema: 0.9 }, { compute: 'bf16' }, 4],
    ['a constant weight', {}, { adaptive: false }, 4],
  ])('go on from a checkpoint bit for bit: %s', async (_, more, options, stopAt) => {
    const eight = settings({ steps: 8, ...more })
    using whole = await adversarialTraining(options)
    using uninterrupted = new TaskTrainer(whole.task, eight)
    const expected = await trainedReports(uninterrupted)
    const folder = new CheckpointFolder(await temporaryFolder(), 1)
    using first = await adversarialTraining(options)
    using stopped = new TaskTrainer(first.task, eight)
    const before = await trainedReports(stopped, { stopAt, folder })
    using second = await adversarialTraining(options)
    second.arena.initialize(1)
    second.discriminator.arena.initialize(2)
    using resumed = new TaskTrainer(second.task, eight)
    await resumed.restore((await folder.latest())!)
    expect([...before, ...(await trainedReports(resumed))]).toEqual(expected)
    expect(await valuesOf(second)).toEqual(await valuesOf(whole))
  })

  it('train in parts on the gradients of the whole, but for what batch norm sees', async () => {
    using made = await adversarialTraining({ adaptive: false })
    using trainer = new TaskTrainer(made.task, settings({ steps: 2, gradientAccumulation: 2 }))
    using other = await adversarialTraining({ adaptive: false })
    using whole = new TaskTrainer(other.task, settings({ steps: 2 }))
    const [parts, one] = [await trainedReports(trainer), await trainedReports(whole)]
    for (const step of [0, 1])
      expect(parts[step]!.terms['reconstruction']).toBeCloseTo(one[step]!.terms['reconstruction']!, 5)
    expect(parts[1]!.terms['adversarial_weight']).toBeCloseTo(0.5, 6)
    expect(parts[1]!.terms['discriminator']).toBeGreaterThan(0)
  })

  it('stay as they were where the adversarial gradient is not finite', async () => {
    using made = await adversarialTraining({ scaled: (step) => (step === 2 ? 1e30 : 1) })
    using trainer = new TaskTrainer(made.task, settings())
    const values: Float32Array[][] = []
    const reports: Omit<StepReport, 'seconds'>[] = []
    await trainer.run({
      onStep: (report) => reports.push(report),
      every: { steps: 1, run: async () => void values.push(await valuesOf(made)) },
    })
    expect(reports.map(({ applied }) => applied)).toEqual([true, true, false])
    expect(values[2]).toEqual(values[1])
    expect(values[1]).not.toEqual(values[0])
  })

  it('cost nothing more before the discriminator begins, and for an adaptive weight two gradients of one weight', async () => {
    /** Convolutions of each kind, of a first step without and a second with the discriminator. */
    const convolutionsOf = async (adaptive: boolean) => {
      using made = await adversarialTraining({ adaptive })
      using trainer = new TaskTrainer(made.task, settings({ steps: 2 }))
      const steps: Record<string, number>[] = [{}]
      const unwatch = watchCalls((name) => {
        if (name === 'count_step') steps.push({})
        const calls = steps.at(-1)!
        if (name.startsWith('conv2d')) calls[name] = (calls[name] ?? 0) + 1
      })
      await trainer.run().finally(unwatch)
      return steps
    }
    const [constant, adaptive] = [await convolutionsOf(false), await convolutionsOf(true)]
    // The autoencoder's two layers; nobody asks for the gradient of the images.
    const alone = { conv2d: 2, conv2d_backward_weight: 2, conv2d_backward_input: 1 }
    expect(constant[0]).toEqual(alone)
    expect(adaptive[0]).toEqual(alone)
    // Four layers judge the reconstructions, back to their pixels, then images and reconstructions, back to the weights.
    const both = { conv2d: 2 + 4 + 8, conv2d_backward_weight: 2 + 8, conv2d_backward_input: 1 + 4 + 6 }
    expect(constant[1]).toEqual(both)
    expect(adaptive[1]).toEqual({ ...both, conv2d_backward_weight: both.conv2d_backward_weight + 2 })
  })

  it('leave no tensor behind', async () => {
    using made = await adversarialTraining()
    for (const { gradients } of [made.arena, made.discriminator.arena]) expect(gradients.freed).toBe(false)
    const { tensors } = memory()
    {
      using trainer = new TaskTrainer(made.task, settings())
      await trainer.run()
    }
    expect(memory().tensors).toBe(tensors)
  })
})
