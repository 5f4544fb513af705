import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { TokenizerProgress } from '../../lib/cli/terminal/tokenizer_progress.js'
import { trainTokenizer } from '../../lib/tokenizer/bpe/train_tokenizer.js'
import { JsonTokenizer } from '../../lib/tokenizer/tokenizer.js'
import { temporaryFolder } from '../temporary_folder.js'
import { command } from './command.js'

/** `transfusion tokenizer train`; `signal` is sent once it shows progress. */
function run(folder: string, args: readonly string[], signal?: NodeJS.Signals) {
  let sent = false
  return command(['tokenizer', 'train', ...args], {
    cwd: folder,
    onOutput(child, output) {
      if (sent || !signal || !output.includes('different words')) return
      sent = child.kill(signal)
    },
  })
}

const essay = 'the cat that sat on the mat and the cat that ate the hat\n'.repeat(4)

describe('transfusion tokenizer train', () => {
  it('trains on plain text and JSON Lines, and writes a tokenizer that loads', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'books'))
    await writeFile(join(folder, 'books', 'a.txt'), essay)
    const lines = [{ text: 'a dog that barks' }, { image: 'none.png', caption: 'a dog that sleeps' }]
    await writeFile(join(folder, 'b.jsonl'), lines.map((line) => JSON.stringify(line)).join('\n'))
    const args = ['books', 'b.jsonl', '--vocabulary', '270', '--out', 'made/tokenizer.json']
    const { code, stdout } = await run(folder, args)
    expect(stdout).toMatch(/^270 tokens in [\d.]+ s; the tokenizer is in made\/tokenizer\.json\n$/)
    expect(code).toBe(0)
    const texts = [essay.trim(), 'a dog that barks', 'a dog that sleeps']
    const expected = await trainTokenizer(texts, { vocabulary: 270 })
    const tokenizer = await JsonTokenizer.load(join(folder, 'made', 'tokenizer.json'))
    expect(tokenizer.definition[0]).toEqual(expected.definition[0])
  })

  it('takes the data of a training config, and leaves out what cannot be read where that says so', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'a.jsonl'), `${JSON.stringify({ text: essay })}\n{"text": 7}\n`)
    const config = (onUnreadable: string) =>
      JSON.stringify({
        data: { type: 'jsonl', path: 'a.jsonl' },
        loading: { onUnreadable },
        model: { image: { channels: 1, patch: 4, height: 8, width: 8 } },
        training: { steps: 1 },
      })
    await writeFile(join(folder, 'config.json'), config('stop'))
    const args = [
      '--config',
      'config.json',
      '--min-frequency',
      '4',
      '--special-tokens',
      '<s>',
      '<|boi|>',
      '<|eoi|>',
    ]
    const refused = await run(folder, args)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('transfusion: a.jsonl:2:')
    expect(await readdir(folder)).toEqual(['a.jsonl', 'config.json'])

    await writeFile(join(folder, 'config.json'), config('skip'))
    const { code, stderr } = await run(folder, args)
    expect(code).toBe(0)
    expect(stderr).toContain('left out: a.jsonl:2:')
    expect(stderr).toContain(
      'There are fewer than the 16384 asked for: no other pair of tokens occurs 4 times in the texts.',
    )
    const { bos, eos, boi, eoi } = await JsonTokenizer.load(join(folder, 'tokenizer.json'))
    expect({ bos, eos, boi, eoi }).toEqual({ bos: 0, eos: undefined, boi: 1, eoi: 2 })
  })

  it("takes the settings of a config's tokenizer, those of the command line before them", async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'a.txt'), essay)
    const config = {
      data: { type: 'text', path: 'a.txt' },
      tokenizer: { type: 'bpe', vocabulary: 265, minimumFrequency: 3, specialTokens: ['<s>', '</s>'] },
      model: { image: { channels: 1, patch: 4, height: 8, width: 8 } },
      training: { steps: 1 },
    }
    await writeFile(join(folder, 'config.json'), JSON.stringify(config))
    const configured = await run(folder, ['--config', 'config.json'])
    expect(configured.stderr).toContain('tokenizer: 11 different words in 227 characters, ')
    expect(configured.stdout).toContain('267 tokens in')
    const { vocabularySize, bos, boi } = await JsonTokenizer.load(join(folder, 'tokenizer.json'))
    expect({ vocabularySize, bos, boi }).toEqual({ vocabularySize: 267, bos: 0, boi: 265 })
    expect((await run(folder, ['--config', 'config.json', '--vocabulary', '262'])).stdout).toContain(
      '264 tokens in',
    )
  })

  it.each([
    [[], 'transfusion: expected files to train on, or --config'],
    [['a.txt', '--config', 'b.json'], 'transfusion: expected files to train on, or --config'],
    [['missing.txt'], 'transfusion: missing.txt: no such file or folder'],
    [['a.txt', '--vocabulary', '100'], 'vocabulary: expected at least 260'],
    [['a.txt', '--vocabulary', 'many'], 'Expected a number, received "many".'],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await run(await temporaryFolder(), args)
    expect(stderr).toContain(message)
    expect(code).toBe(1)
  })

  it('refuses a file that is not UTF-8', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'a.txt'), Uint8Array.of(0x61, 0xff, 0xfe, 0x62))
    const { code, stderr } = await run(folder, ['a.txt'])
    expect(stderr).toContain('a.txt: cannot be read at byte 0 (its text is not UTF-8)')
    expect(code).toBe(1)
  })

  it('leaves nothing, and the file that was there, when it is interrupted', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'tokenizer.json'), 'old')
    // Work for a second or more after the first line about it.
    const words = Array.from({ length: 300_000 }, (_, i) => `word${(i * 7919) % 300_007}`)
    await writeFile(join(folder, 'a.txt'), words.join('\n'))
    const args = ['a.txt', '--vocabulary', '200000', '--min-frequency', '1']
    const { code, stderr } = await run(folder, args, 'SIGINT')
    expect(stderr).toContain('Stopping; nothing is written.')
    expect(code).toBe(130)
    expect((await readdir(folder)).toSorted()).toEqual(['a.txt', 'tokenizer.json'])
    expect(await readFile(join(folder, 'tokenizer.json'), 'utf8')).toBe('old')
  })
})

it('shows progress in one line of a terminal, which it ends', async () => {
  const stream = Object.assign(new PassThrough(), { isTTY: true }) as unknown as NodeJS.WriteStream
  async function* texts(): AsyncGenerator<string> {
    for (let i = 0; i < 300; i++) yield `text ${i} of `.repeat(1000) + i * i
  }
  const progress = new TokenizerProgress(stream)
  await trainTokenizer(texts(), { vocabulary: 300 }, { onProgress: (now) => progress.update(now) })
  progress.stop()
  const shown = String((stream as unknown as PassThrough).read())
  expect(shown.endsWith(' s\n')).toBe(true)
  expect(shown.indexOf('\n')).toBe(shown.length - 1)
  expect(shown.startsWith('\r\u001B[2Ktokenizer: ')).toBe(true)
  expect(shown).toMatch(/tokenizer: \d+ different words in \d\.\d million characters/)
})
