// Reads a checkpoint and prints, in bytes, the most memory that the process had beyond what it had before, and what the
// model's weights take: streamed_weights.test.ts compares them. Arguments: the checkpoint's folder, and how its weights are kept.
import { readFileSync } from 'node:fs'
import { makeCaptionTokenizer, Transfusion } from '../../../../dist/index.js'

const peak = () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
const [, , folder, weights] = process.argv
const image = { channels: 1, patch: 2, height: 4, width: 4 }
const tokenizer = makeCaptionTokenizer(['a'])
// A model of few weights: the library, its threads and the code of this path are there.
Transfusion.create({ layers: 1, channels: 32, heads: 1, image }, tokenizer)[Symbol.dispose]()
const before = peak()
const { network } = await Transfusion.fromPretrained(folder, { image, tokenizer, weights })
const { arena } = network
const fixed = arena.everyParameter.filter((parameter) => arena.fixed.has(parameter))
const kept = fixed.reduce((sum, { tensor }) => sum + tensor.bytes, arena.values.bytes)
console.log(JSON.stringify({ peak: peak() - before, kept }))
