import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import sharp from 'sharp'
import { expect, it, onTestFinished } from 'vitest'
import { ConfigError, parseConfig } from '../../lib/config/parse.js'
import { readConfig } from '../../lib/files/config_file.js'
import { GgufFile } from '../../lib/files/gguf/gguf_file.js'
import { trainConfigSchema } from '../../lib/run/train_config.js'
import { readIdx } from '../../lib/data/sources/idx/idx.js'
import { readImage } from '../../lib/image/image_io.js'
import { readSafetensors, writeSafetensors } from '../../lib/files/safetensors/safetensors.js'
import { readTar } from '../../lib/data/sources/tar/tar_records.js'
import { JsonTokenizer } from '../../lib/tokenizer/tokenizer.js'
import type { TokenizerJson } from '../../lib/tokenizer/tokenizer_json.js'
import { array, f32, floats, ggufBytes, string } from '../files/gguf/gguf_bytes.js'
import { temporaryFolder } from '../temporary_folder.js'
import { idxFile } from './sources/idx/idx_file.js'
import { tarFile } from './sources/tar/tar_file.js'
import { collect } from './stream/documents.js'

/** 32-bit integers in a row, the same for the same seed (Marsaglia's xorshift). */
function randomIntegers(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

/** A copy with a few bytes changed, cut short, or with a piece repeated or left out. */
function mutated(bytes: Uint8Array, random: (limit: number) => number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  // Headers matter most: half of the changes are among the first 64 bytes.
  const place = () => random(random(2) === 0 ? Math.min(64, copy.length) : copy.length)
  switch (random(6)) {
    case 0:
      return copy.subarray(0, random(copy.length))
    case 1: {
      const [from, to] = [place(), place()].toSorted((a, b) => a - b)
      return random(2) === 0
        ? Buffer.concat([copy.subarray(0, from), copy.subarray(to)])
        : Buffer.concat([copy.subarray(0, to), copy.subarray(from)])
    }
    default:
      for (let changes = 1 + random(4); changes > 0; changes--)
        copy[place()] = random(3) === 0 ? [0, 0x7f, 0x80, 0xff][random(4)]! : random(256)
      return copy
  }
}

/** JSON with one of its values replaced, left out, or under another key. */
function mutatedJson(value: unknown, random: (limit: number) => number): unknown {
  if (Array.isArray(value) && value.length > 0 && random(4) > 0) {
    const i = random(value.length)
    return random(8) === 0 ? value.toSpliced(i, 1) : value.with(i, mutatedJson(value[i], random))
  }
  if (typeof value === 'object' && value !== null && Object.keys(value).length > 0 && random(8) > 0) {
    const entries = Object.entries(value)
    const i = random(entries.length)
    const [key, inner] = entries[i]!
    const kind = random(10)
    if (kind === 0) return Object.fromEntries(entries.toSpliced(i, 1))
    return Object.fromEntries(
      entries.with(i, kind === 1 ? [`${key}x`, inner] : [key, mutatedJson(inner, random)]),
    )
  }
  const others = [
    null,
    true,
    0,
    -1,
    1.5,
    1e308,
    '',
    'x',
    [],
    {},
    [[]],
    2 ** 53,
    'a'.repeat(1000),
    '__proto__',
  ]
  return others[random(others.length)]
}

/** Mutations that are read at once, each from a file of its own: reading is mostly waiting. */
const AT_ONCE = 32

/**
 * Files of one test to write mutations to, one for each that is read at once. They stay open and are written over:
 * file systems write a file that is emptied and filled again to the disk at once.
 */
async function openFiles() {
  const folder = await temporaryFolder()
  const files = Array.from({ length: AT_ONCE }, (_, i) => {
    const path = join(folder, `${i}`)
    return { path, descriptor: openSync(path, 'w') }
  })
  onTestFinished(() => files.forEach(({ descriptor }) => closeSync(descriptor)))
  return files.map(({ path, descriptor }) => (content: Uint8Array | string) => {
    const bytes = Buffer.from(content)
    ftruncateSync(descriptor, writeSync(descriptor, bytes, 0, bytes.length, 0))
    return path
  })
}

/**
 * Reads so many mutations and returns the share of those refused: with an Error that has a message, in little memory.
 * `write` writes what is to be read to a file and returns its path.
 */
async function shareRefused<M>(
  count: number,
  seed: number,
  mutate: (random: (limit: number) => number) => M,
  read: (mutation: M, write: (content: Uint8Array | string) => string) => Promise<unknown>,
) {
  const random = randomIntegers(seed)
  const files = await openFiles()
  const before = process.resourceUsage().maxRSS
  let refused = 0
  for (let first = 0; first < count; first += AT_ONCE) {
    const mutations = Array.from({ length: Math.min(AT_ONCE, count - first) }, () => mutate(random))
    const failures = await Promise.all(
      mutations.map(async (mutation, i): Promise<unknown> => {
        try {
          await read(mutation, files[i]!)
          return undefined
        } catch (error) {
          return error
        }
      }),
    )
    failures.forEach((failure, i) => {
      if (failure === undefined) return
      refused++
      if (!(failure instanceof Error) || failure.message === '' || failure instanceof RangeError)
        throw new Error(`mutation ${first + i}: not a clear error`, { cause: failure })
    })
  }
  // Kibibytes. A header that announces gigabytes must not be believed.
  expect(process.resourceUsage().maxRSS - before).toBeLessThan(300_000)
  return refused / count
}

it('reads 30,000 mutations of an IDX file', async () => {
  const whole = idxFile(
    [3, 4, 5],
    Array.from({ length: 60 }, (_, i) => i),
  )
  const refused = await shareRefused(
    30_000,
    1,
    (random) => mutated(whole, random),
    (mutation, write) => readIdx(write(mutation), 3),
  )
  expect(refused).toBeGreaterThan(0.1)
})

it('reads 30,000 mutations of a safetensors file', async () => {
  const path = join(await temporaryFolder(), 'model.safetensors')
  await writeSafetensors(
    path,
    new Map([
      ['a', { dtype: 'f32', shape: [2, 3], data: new Float32Array(6) }],
      ['b', { dtype: 'i32', shape: [4], data: new Int32Array(4) }],
    ]),
  )
  const whole = await readFile(path)
  const refused = await shareRefused(
    30_000,
    2,
    (random) => mutated(whole, random),
    (mutation, write) => readSafetensors(write(mutation)),
  )
  expect(refused).toBeGreaterThan(0.1)
})

it('reads 10,000 mutations of a GGUF file', async () => {
  const whole = ggufBytes(
    [
      ['words', array([string('a'), string('b')])],
      ['scale', f32(1)],
    ],
    {
      a: floats([2, 3], Array(6)),
      b: { type: 8, shape: [32], bytes: new Uint8Array(34) },
    },
  )
  const refused = await shareRefused(
    10_000,
    7,
    (random) => mutated(whole, random),
    async (mutation, write) => {
      await using file = await GgufFile.open(write(mutation))
      for (const name of file.tensors.keys()) for await (const _ of file.read(name));
    },
  )
  expect(refused).toBeGreaterThan(0.1)
})

it('reads 25,000 mutations of a config', async () => {
  const example = fileURLToPath(new URL('../../examples/fashion-mnist.json', import.meta.url))
  const whole = await readConfig(example, trainConfigSchema)
  const refused = await shareRefused(
    25_000,
    3,
    (random) => mutatedJson(whole, random),
    async (mutation) => {
      try {
        parseConfig(trainConfigSchema, mutation, 'config')
      } catch (error) {
        if (!(error instanceof ConfigError)) throw new RangeError(`not a ConfigError: ${String(error)}`)
        throw error
      }
    },
  )
  expect(refused).toBeGreaterThan(0.1)
})

it('reads 10,000 mutations of a tokenizer', async () => {
  const url = new URL('../fixtures/tokenizers/caption_tokenizer.json', import.meta.url)
  const { tokenizer } = JSON.parse(await readFile(url, 'utf8')) as { tokenizer?: TokenizerJson }
  const whole = tokenizer ?? (JSON.parse(await readFile(url, 'utf8')) as TokenizerJson)
  const refused = await shareRefused(
    10_000,
    4,
    (random) => JSON.stringify(mutatedJson(whole, random)),
    async (mutation, write) => {
      const read = await JsonTokenizer.load(write(mutation))
      read.decode(await read.encode('a coat'))
    },
  )
  expect(refused).toBeGreaterThan(0.1)
})

it('reads 4,000 mutations of tar files, plain and gzipped', async () => {
  const members = Object.fromEntries(
    [0, 1, 2].flatMap((i) => [
      [`${'folder/'.repeat(20)}${i}.png`, 'x'.repeat(600 * i)],
      [`${'folder/'.repeat(20)}${i}.json`, '{"caption": "a coat"}'],
    ]),
  )
  const whole = await tarFile(members)
  const files = [whole, gzipSync(whole)]
  const refused = await shareRefused(
    4000,
    6,
    (random) => mutated(files[random(2)]!, random),
    async (mutation, write) => {
      for (const document of await collect(readTar(write(mutation))))
        if ('error' in document) throw document.error
    },
  )
  expect(refused).toBeGreaterThan(0.1)
})

it('reads 5,000 mutations of images', async () => {
  const raw = { raw: { width: 12, height: 9, channels: 3 as const } }
  const pixels = Uint8Array.from({ length: 324 }, (_, i) => (i * 37) % 256)
  const files = await Promise.all([
    sharp(pixels, raw).png().toBuffer(),
    sharp(pixels, raw).jpeg().toBuffer(),
    sharp(pixels, raw).webp().toBuffer(),
  ])
  const refused = await shareRefused(
    5000,
    5,
    (random) => mutated(files[random(3)]!, random),
    (mutation) => readImage(mutation, { width: 8, height: 8, channels: 3 }),
  )
  expect(refused).toBeGreaterThan(0.1)
}, 120_000)
