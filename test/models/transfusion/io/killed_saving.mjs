// Saves one model after the other into a folder, each weight of the n-th n as its config's snrLimit is:
// interrupted_save.test.ts kills it. Arguments: the folder, the first n.
import { makeCaptionTokenizer, Transfusion } from '../../../../dist/index.js'

const [folder, first] = process.argv.slice(2)
const image = { channels: 1, patch: 4, height: 8, width: 8 }
const sizes = { layers: 2, channels: 32, heads: 2, feedForward: 64, image }
for (let n = Number(first); ; n++) {
  const model = Transfusion.create(sizes, makeCaptionTokenizer(['a']), { objective: { snrLimit: n } })
  const { arena } = model.network
  for (const parameter of arena.parameters) {
    const count = parameter.shape.reduce((product, size) => product * size, 1)
    arena.write(parameter, new Float32Array(count).fill(n))
  }
  await model.save(folder)
  model[Symbol.dispose]()
  process.stdout.write(`${n}\n`)
}
