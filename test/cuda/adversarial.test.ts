import { expect, it } from 'vitest'
import { TaskTrainer } from '../../lib/training/task_trainer.js'
import { adversarialTraining } from '../models/autoencoder/adversarial_training.js'

it('an autoencoder and its discriminator are trained on a GPU as on the CPU', async () => {
  const weights: Float32Array[][] = []
  for (const device of ['cpu', 'cuda'] as const) {
    using made = await adversarialTraining({ device })
    const { arena, discriminator, task } = made
    using trainer = new TaskTrainer(task, {
      steps: 2,
      optimizer: { beta1: 0.5, beta2: 0.9, clip: 1e6 },
      learningRate: { peak: 1e-3, final: 1e-3, warmupSteps: 0 },
    })
    await trainer.run()
    weights.push(await Promise.all([arena, discriminator.arena].map(({ values }) => values.readFloats())))
  }
  const [expected, found] = weights as [Float32Array[], Float32Array[]]
  for (const network of [0, 1])
    found[network]!.forEach((value, i) =>
      // A step is 1e-3: far less than it, and more than roundings of the gradients make of it.
      expect(Math.abs(value - expected[network]![i]!)).toBeLessThan(1e-5),
    )
})
