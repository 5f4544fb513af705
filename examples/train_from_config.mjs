// Trains as `transfusion train` does, from the same config and with the same files, inside a program: run it again after
// it was stopped, and it goes on where it was.
// node examples/train_from_config.mjs CONFIG.json [RUN [SETTING=VALUE ...]]
import { trainFromConfig, Transfusion, writePng } from 'transfusion-js'

const [config = 'examples/fashion-mnist.json', out = 'runs/from-config', ...set] = process.argv.slice(2)

// Ctrl-C ends training after the step and saves.
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const { outcome, steps, model } = await trainFromConfig(config, {
  out,
  set,
  signal: stop.signal,
  onMessage: (line) => console.log(line),
  onWarning: (line) => console.warn(line),
  onStep: ({ step, progress, learningRate }) => {
    if (step % 100 === 0)
      console.log(`step ${step}, ${Math.round(100 * progress)}%, learning rate ${learningRate}`)
  },
})
console.log(`${outcome} after ${steps} steps`)

if (outcome === 'finished') {
  const trained = await Transfusion.load(model)
  const [image] = await trained.generateImages([''], [0], { sampler: 'ddim', steps: 20 })
  await writePng(`${out}/generated.png`, image)
}
