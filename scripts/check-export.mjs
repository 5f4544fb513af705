// PYTHON=venv/bin/python node scripts/check-export.mjs: a small model with random weights, exported as a Llama, gives the
// same logits on text in transformers and in examples/load_in_pytorch.py as here. Needs torch, transformers, safetensors,
// and dist/. docs/weights.md has the differences that it found.
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeCaptionTokenizer, Transfusion } from '../dist/index.js'
import { fromArray, scope } from '../dist/entry/tensor.js'
import { uploadAttentionMetadata } from '../dist/nn/attention_metadata.js'
import { buildMetadata, sequenceStart } from '../dist/sequence/metadata.js'

const folder = await mkdtemp(join(tmpdir(), 'check-export-'))
const texts = ['a red bag on a table', 'two green coats, and one more!']
const image = { channels: 1, patch: 4, height: 8, width: 8 }
const sizes = { layers: 3, channels: 96, heads: 6, kvHeads: 2, feedForward: 160, ropeTheta: 20_000, image }
const model = Transfusion.create(sizes, makeCaptionTokenizer(texts), { seed: 7 })
const ids = Array.from({ length: 200 }, (_, i) => (i * i + 3) % model.tokenizer.vocabularySize)
const rows = Int32Array.of(0, ids.length)
const metadata = buildMetadata([{ spans: [{ type: 'text', ids }], start: sequenceStart, keyStart: 0 }], image)
const logits = scope(() => {
  const { network } = model
  const { hidden } = network.forward(
    uploadAttentionMetadata({ ...metadata, queryRows: rows, keyRows: rows }, image),
  )
  return network.logits(hidden, fromArray(Int32Array.from(ids.keys())))
})
await model.save(join(folder, 'model'))
for (const precision of ['f32', 'bf16']) await model.toLlama(join(folder, precision), { precision })
const text = texts[0]
const expected = {
  ids,
  logits: [...(await logits.readFloats())],
  text,
  textIds: [...(await model.tokenizer.encode(text))],
}
await writeFile(join(folder, 'expected.json'), JSON.stringify(expected))
const script = fileURLToPath(new URL('check_export.py', import.meta.url))
const { status } = spawnSync(process.env.PYTHON ?? 'python3', [script, folder], { stdio: 'inherit' })
await rm(folder, { recursive: true })
process.exitCode = status ?? 1
