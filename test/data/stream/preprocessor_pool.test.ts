import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import type { RawPart } from '../../../lib/data/document.js'
import { openStream, type StreamOptions } from '../../../lib/data/stream/open_stream.js'
import { PreprocessorPool } from '../../../lib/data/stream/preprocessor_pool.js'
import { randomUniform } from '../../../lib/random.js'
import { grey, positionsOf, size, sourceOf, take, text, tokenizer, words } from './documents.js'
import { temporaryFolder } from '../../temporary_folder.js'

const options: StreamOptions = { tokenizer, image: size, positionsOf, seed: 3, longest: 20 }

/** An encoded image of noise, which takes as long to decode as it is large. */
async function jpeg(index: number): Promise<Uint8Array> {
  const side = 8 + Math.floor(randomUniform(1, 'order', 0, index) * 250)
  const noise = { type: 'gaussian', mean: 20 * (index % 10), sigma: 9 } as const
  const { data } = await sharp({
    create: { width: side, height: side, channels: 3, background: 'white', noise },
  })
    .jpeg()
    .toBuffer({ resolveWithObject: true })
  return new Uint8Array(data)
}

/** Texts, files, bytes and pixels, and what cannot be read of each. */
async function documents(): Promise<(readonly RawPart[] | Error)[]> {
  const folder = await temporaryFolder()
  const many: (readonly RawPart[] | Error)[] = []
  for (let i = 0; i < 40; i++) {
    const path = join(folder, `${i}.jpg`)
    await writeFile(path, i === 24 ? (await jpeg(i)).subarray(0, 300) : await jpeg(i))
    const bytes = await jpeg(i)
    const word = text(words[i % words.length]!)
    many.push(
      [
        [word, { type: 'image', path }, grey(i), word] as const,
        [{ type: 'image', bytes: i === 21 ? bytes.subarray(0, 50) : bytes }, word] as const,
        [text(...Array.from({ length: i + 1 }, () => words[i % words.length]!))],
        i === 23 ? new Error('gone') : [grey(i), i === 27 ? text(' ') : word],
      ][i % 4]!,
    )
  }
  return many
}

/** libvips keeps one list of errors for all threads, so images that fail at the same time may share their reasons. */
const withoutReason = ({ message }: Error) => message.replace(/ \(.*/s, '')

/** Handing bytes to another thread empties them, so each stream has its own. */
const copyOf = (many: Awaited<ReturnType<typeof documents>>) => sourceOf(structuredClone(many))

describe('PreprocessorPool', () => {
  it('gives the same documents and states as none, whatever the number of workers, from anywhere', async () => {
    const many = await documents()
    const streamOf = (settings: Partial<StreamOptions>) => {
      const skipped: string[] = []
      const onSkip: StreamOptions['onSkip'] = ({ name, error }) =>
        skipped.push(`${name}: ${withoutReason(error)}`)
      const sources = [
        { source: copyOf(many), weight: 1 },
        { source: sourceOf([[text('a', 'bag')]]), weight: 0.3 },
      ]
      const stream = openStream(sources, { ...options, ...settings, onUnreadable: 'skip', onSkip })
      return { stream, skipped }
    }
    const inline = streamOf({ workers: 0 })
    const expected = await take(inline.stream, 60)
    expect(inline.skipped.length).toBeGreaterThanOrEqual(4)
    for (const workers of [1, 2]) {
      const pooled = streamOf({ workers })
      expect(await take(pooled.stream, 60)).toEqual(expected)
      expect(pooled.skipped).toEqual(inline.skipped)
      await pooled.stream.close()
    }
    const resumed = streamOf({ workers: 1, state: expected[17]!.state })
    expect(await take(resumed.stream, 12)).toEqual(expected.slice(18, 30))
    await resumed.stream.close()
  })

  it('rejects what waits and what comes when it is closed in the middle', async () => {
    const pool = new PreprocessorPool(tokenizer, size, 1)
    const bytes = await jpeg(3)
    const document = { name: 'a', parts: [{ type: 'image', bytes } as const] }
    const waiting = pool.preprocess(document).catch((error: Error) => error.message)
    await pool.close()
    expect(await waiting).toBe('the preprocessing of documents was closed')
    await expect(pool.preprocess(document)).rejects.toThrow('was closed')
    await pool.close()
  })

  it('rejects where a worker breaks down', async () => {
    const broken = Object.assign(Object.create(tokenizer) as typeof tokenizer, { definition: [{}, {}] })
    const stream = openStream([{ source: sourceOf([[text('red')]]), weight: 1 }], {
      ...options,
      tokenizer: broken,
      workers: 1,
      onUnreadable: 'skip',
    })
    const message = 'a thread that preprocesses documents failed: it has no model.vocab'
    await expect(stream.next()).rejects.toThrow(message)
    await expect(stream.next()).rejects.toThrow(message)
    await stream.close()
  })
})

describe('a process with a pool', () => {
  const dist = new URL('../../../dist/', import.meta.url)
  const modules = {
    openStream: 'data/stream/open_stream',
    makeCaptionTokenizer: 'tokenizer/caption_tokenizer',
    indexedSource: 'data/sources/indexed_source',
  }
  const prelude =
    Object.entries(modules)
      .map(
        ([name, path]) =>
          `const { ${name} } = await import(${JSON.stringify(new URL(`${path}.js`, dist))})\n`,
      )
      .join('') +
    `const sharp = (await import(${JSON.stringify(import.meta.resolve('sharp'))})).default
    const bytes = await sharp({ create: { width: 900, height: 900, channels: 3, background: 'red' } }).png().toBuffer()
    const source = indexedSource({ length: 5, open: () => ({ name: String, parts: () => [{ type: 'image', bytes }] }) })
    const stream = openStream([{ source, weight: 1 }], {
      tokenizer: makeCaptionTokenizer(['a']), image: { width: 32, height: 32, channels: 3 }, positionsOf: () => 1, seed: 0, workers: 2 })
    `
  const runNode = (script: string) =>
    promisify(execFile)(process.execPath, ['--input-type=module', '--eval', prelude + script], {
      cwd: fileURLToPath(dist),
      env: { ...process.env, NODE_OPTIONS: '' },
      timeout: 60_000,
    })

  it.each([
    [
      'ends by itself when nothing is asked for',
      `console.log((await stream.next()).document.parts[0].image.width)`,
      '32',
    ],
    [
      'lives until its threads have ended',
      `await stream.next(); await stream.close(); console.log('closed')`,
      'closed',
    ],
    [
      'ends at an exit while something is prepared',
      `stream.next(); setTimeout(() => process.exit(0), Math.random() * 200)`,
      '',
    ],
    ['ends at an exit at once', `stream.next(); process.exit(0)`, ''],
    [
      'lives as long as something is awaited',
      `for (let i = 0; i < 40; i++) await stream.next(); console.log('done')`,
      'done',
    ],
  ])('%s', async (_, script, output) => {
    const { stdout, stderr } = await runNode(script)
    expect({ stdout: stdout.trim(), stderr }).toEqual({ stdout: output, stderr: '' })
  })
})
