// How long training a tokenizer of 32,768 tokens on text files takes, and its peak memory; with a Python that has
// Hugging Face's tokenizers, the same for its trainer, in turns, and whether both make the same tokenizer. Each runs in a
// process of its own and reads the same JSON Lines.
//   npm run bench -- tokenizer corpus.txt [python]
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { openJsonlSource, openTextSource, textsOf, trainTokenizer } from '../dist/entry/data.js'
import { describeLimits, measureLimits } from './common/limits.mjs'

const vocabulary = 32_768
const minimumFrequency = 2
const turns = 2

async function trainOurs(lines, out) {
  const started = performance.now()
  const texts = textsOf(await openJsonlSource({ path: lines }))
  let [pause, turn] = [0, started]
  const onProgress = () => {
    pause = Math.max(pause, performance.now() - turn)
    turn = performance.now()
  }
  await (await trainTokenizer(texts, { vocabulary, minimumFrequency }, { onProgress })).save(out)
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage()
  const megabytes = process.resourceUsage().maxRSS / 1024
  return { seconds, cpu: (user + system) / 1e6, megabytes, pause }
}

const reference = `
import json, resource, sys, time
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

lines, out = sys.argv[1:]
started = time.monotonic()
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
trainer = trainers.BpeTrainer(
    vocab_size=${vocabulary},
    min_frequency=${minimumFrequency},
    special_tokens=["<s>", "</s>", "<|boi|>", "<|eoi|>"],
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    show_progress=False,
)
with open(lines, encoding="utf-8") as file:
    tokenizer.train_from_iterator((json.loads(line)["text"] for line in file), trainer)
tokenizer.save(out)
seconds = time.monotonic() - started
usage = resource.getrusage(resource.RUSAGE_SELF)
cpu = usage.ru_utime + usage.ru_stime
print(json.dumps({"seconds": seconds, "cpu": cpu, "megabytes": usage.ru_maxrss / 1024}))
`

const describe = ({ seconds, cpu, megabytes, pause }) =>
  `${seconds.toFixed(1)} s, ${cpu.toFixed(1)} s of CPU time, peak ${megabytes.toFixed(0)} MB` +
  (pause === undefined ? '' : `, other work had its turn after ${pause.toFixed(0)} ms at the latest`)

const [file, python, out] = process.argv.slice(2)
if (file === '--ours') console.log(JSON.stringify(await trainOurs(python, out)))
else {
  console.log(describeLimits(await measureLimits()))
  const folder = await mkdtemp(join(tmpdir(), 'tokenizer-bench-'))
  try {
    const [lines, ours, theirs] = ['texts.jsonl', 'ours.json', 'theirs.json'].map((name) =>
      join(folder, name),
    )
    const writing = createWriteStream(lines)
    let bytes = 0
    for await (const text of textsOf(await openTextSource({ path: file }))) {
      bytes += Buffer.byteLength(text)
      if (!writing.write(`${JSON.stringify({ text })}\n`)) await once(writing, 'drain')
    }
    writing.end()
    await once(writing, 'finish')
    console.log(`${(bytes / 1e6).toFixed(1)} MB of text, ${vocabulary} tokens`)
    const run = (program, args) => JSON.parse(execFileSync(program, args, { encoding: 'utf8' }))
    for (let turn = 0; turn < turns; turn++) {
      const own = [fileURLToPath(import.meta.url), '--ours', lines, ours]
      console.log(`ours          ${describe(run(process.execPath, own))}`)
      if (python) console.log(`Hugging Face  ${describe(run(python, ['-c', reference, lines, theirs]))}`)
    }
    if (python) {
      const [a, b] = await Promise.all(
        [ours, theirs].map(async (path) => JSON.parse(await readFile(path, 'utf8'))),
      )
      console.log(isDeepStrictEqual(a, b) ? 'the tokenizers are the same' : 'the tokenizers DIFFER')
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
