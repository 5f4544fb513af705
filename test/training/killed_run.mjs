// What killed.test.ts reads from a program that it kills again and again.
import { CheckpointFolder } from '../../dist/index.js'

/** Goes on from the latest checkpoint in folder `path`, saves one after every step; prints each step, the weights at last. */
export async function runWithCheckpoints(trainer, path, arenas) {
  const folder = new CheckpointFolder(path, 2)
  const latest = await folder.latest()
  if (latest) await trainer.restore(latest)
  process.stdout.write(`from ${trainer.done.steps}\n`)
  await trainer.run({
    checkpoints: { folder, steps: 1 },
    onStep: ({ step }) => process.stdout.write(`step ${step}\n`),
  })
  const weights = await Promise.all(arenas.map(({ values }) => values.readFloats()))
  process.stdout.write(
    `weights ${weights.map(({ buffer }) => Buffer.from(buffer).toString('base64')).join()}\n`,
  )
}
