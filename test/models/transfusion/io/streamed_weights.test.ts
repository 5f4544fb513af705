import { execFileSync } from 'node:child_process'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { llamaTensors } from '../../../../lib/models/llama/tensors.js'
import { llamaConfigJson } from '../../../../lib/models/llama/write_config.js'
import { makeCaptionTokenizer } from '../../../../lib/tokenizer/caption_tokenizer.js'
import { temporaryFolder } from '../../../temporary_folder.js'

const script = fileURLToPath(new URL('read_checkpoint.mjs', import.meta.url))
const { vocabularySize: vocabulary } = makeCaptionTokenizer(['a'])
const configOf = (layers: number) => ({
  vocabulary,
  layers,
  channels: 2048,
  heads: 8,
  kvHeads: 2,
  feedForward: 6144,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tied: false,
  bos: 0,
  eos: 1,
})
const layerParts = ['attention_norm', 'attention.qkv', 'attention.output', 'feed_forward_norm'].concat(
  'feed_forward.gate_up',
  'feed_forward.down',
)

/** A checkpoint of zeros, in a file that takes no space. */
async function writeZeros(folder: string, dtype: 'BF16' | 'F16', layers: number): Promise<void> {
  const config = configOf(layers)
  const parameters = Array.from({ length: layers }, (_, layer) =>
    layerParts.map((part) => `layers.${layer}.${part}.weight`),
  ).flat()
  const tensors = ['embedding.weight', ...parameters, 'norm.weight', 'output.weight'].flatMap((name) =>
    llamaTensors(name, config)!,
  )
  let end = 0
  const entries = tensors.map(({ name, shape }) => {
    const begin = end
    end += 2 * shape.reduce((product, size) => product * size, 1)
    return [name, { dtype, shape, data_offsets: [begin, end] }]
  })
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  await using file = await open(join(folder, 'model.safetensors'), 'w')
  await file.write(Buffer.concat([length, header]))
  await file.truncate(8 + header.length + end)
  await writeFile(join(folder, 'config.json'), JSON.stringify(llamaConfigJson(config, 'bf16')))
}

it.each([
  ['BF16', 'f32', 2],
  ['F16', 'f32', 2],
  ['BF16', 'bf16', 3],
  ['F16', 'int8', 6],
  ['BF16', 'int4', 10],
] as const)(
  'weights of %s are read with at most 15% more memory than the model keeps in %s',
  async (dtype, weights, layers) => {
    const folder = await temporaryFolder()
    await writeZeros(folder, dtype, layers)
    const output = execFileSync(process.execPath, [script, folder, weights], { encoding: 'utf8' })
    const { peak, kept } = JSON.parse(output)
    expect(kept).toBeGreaterThan(250e6)
    expect(peak / kept).toBeGreaterThan(0.9)
    expect(peak / kept).toBeLessThan(1.15)
  },
)
