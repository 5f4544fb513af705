import { open, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { LeftOut } from '../../../../lib/data/left_out.js'
import type { RawDocument } from '../../../../lib/data/document.js'
import type { UnreadableDocument } from '../../../../lib/data/sources/document_source.js'
import { largestMember } from '../../../../lib/data/sources/tar/tar_record.js'
import { readTar } from '../../../../lib/data/sources/tar/tar_records.js'
import { collect } from '../../stream/documents.js'
import { temporaryFolder } from '../../../temporary_folder.js'
import { type Members, tarFile } from './tar_file.js'

async function writeBytes(bytes: Uint8Array): Promise<string> {
  const path = join(await temporaryFolder(), 'shard.tar')
  await writeFile(path, bytes)
  return path
}

const read = async (members: Members) => collect(readTar(await writeBytes(await tarFile(members))))

/** `caption: image`, or the message without the path. */
function shown(document: RawDocument | UnreadableDocument): string {
  if ('error' in document) return document.error.message.replace(/^.*?shard\.tar: /, '')
  const [text, image] = document.parts as unknown as [{ text: string }, { bytes: Uint8Array }]
  return `${text.text}: ${Buffer.from(image.bytes).toString()}`
}

const caseFile = (name: string) => fileURLToPath(new URL(`../../../fixtures/cases/${name}`, import.meta.url))

/** Documents as `shown`, without their images, and what is left out. */
async function readShard(path: string, skip = 0) {
  const leftOut = new LeftOut()
  const documents = (await collect(readTar(path, skip, leftOut))).map((document) =>
    'error' in document
      ? `${document.reason ?? 'document'}: ${document.error.message.replaceAll(`${path}: `, '')}`
      : (document.parts[0] as { text: string }).text,
  )
  return { documents, leftOut: leftOut.summary.map((line) => line.replaceAll(`${path}: `, '')) }
}

/** A tar file's header of a member that is larger than what `pack` would be given. */
async function headerOf(name: string, size: number): Promise<Buffer> {
  const archive = pack()
  archive.entry({ name, size })
  for await (const header of archive) return header as Buffer
  throw new Error('pack gave no header')
}

const three: Members = {
  '1.png': 'one',
  '1.txt': 'first',
  '2.jpg': 'two'.repeat(400),
  '2.txt': 'second',
  '3.webp': 'three',
  '3.txt': 'third',
}

describe('readTar', () => {
  it('groups members by their paths up to the first dot of the name', async () => {
    const documents = await read({
      'a.b/': '',
      'a.b/1.PNG': 'one',
      'a.b/1.cls': '7',
      'a.b/1.txt': ' first\n',
      'a.b/._1.png': 'hidden',
      'a.b/2.json': '{"caption": "second", "width": 3}',
      'a.b/2.jpeg': 'two',
      'a.b/2.seg.png': 'a mask',
      'c/2.webp': 'three',
      'c/2.caption': 'third',
      'README.md': 'nothing',
      'd.json': '{"text": "fourth"}',
      'd.png': '',
    })
    expect(documents.map(shown)).toEqual(['first: one', 'second: two', 'third: three', 'fourth: '])
    expect(documents.map(({ name }) => name.replace(/^.*shard/, 'shard'))).toEqual(
      ['a.b/1', 'a.b/2', 'c/2', 'd'].map((key) => `shard.tar: ${key}`),
    )
  })

  it('reads long and non-ASCII names, and gzip by content', async () => {
    const name = `${'ordner/'.repeat(30)}\u00fcber`
    const tar = await tarFile({ [`${name}.png`]: 'one', [`${name}.txt`]: '\u00fcber' })
    for (const bytes of [tar, gzipSync(tar)]) {
      const [document] = await collect(readTar(await writeBytes(bytes)))
      expect(document!.name).toMatch(new RegExp(`: ${name}$`))
      expect(shown(document!)).toBe('\u00fcber: one')
    }
  })

  it('skips records without losing count', async () => {
    const path = await writeBytes(await tarFile(three))
    const whole = await collect(readTar(path))
    expect(whole).toHaveLength(3)
    for (const skip of [1, 2, 3, 4]) expect(await collect(readTar(path, skip))).toEqual(whole.slice(skip))
  })

  it.each([
    [
      { '1.txt': 'a' },
      '1: has no image (.png, .jpg, .webp, .gif, .tiff, .avif or .svg); it has 1.txt. The members of a sample must be adjacent',
    ],
    [{ '1.png': 'a' }, '1: has no caption (.txt, .caption, .json)'],
    [{ '1.png': 'a', '1.txt': ' ' }, '1.txt: is empty; expected the caption of'],
    [{ '1.png': 'a', '1.json': '{' }, '1.json: not JSON (column 2: expected a comma or }; received the end)'],
    [{ '1.png': 'a', '1.json': '{"caption": 7}' }, '1.json:\n  caption: expected string; received 7'],
    [{ '1.png': 'a', '1.json': '{}' }, '1.json: is empty'],
    [{ '1.png': 'a', '1.txt': Uint8Array.of(0xff) }, '1.txt: its text is not UTF-8'],
  ])('names the record that is incomplete: %j', async (members, message) => {
    const documents = await read({ ...members, '2.png': 'two', '2.txt': 'second' })
    expect(shown(documents[0]!)).toContain(message)
    expect(shown(documents[1]!)).toBe('second: two')
  })

  it('passes over a member that is too large', async () => {
    const size = largestMember + 1
    const path = await writeBytes(await headerOf('1.png', size))
    const file = await open(path, 'r+')
    const rest = await tarFile({ '1.txt': 'first', '2.png': 'two', '2.txt': 'second' })
    await file.write(rest, 0, rest.length, 512 * (1 + Math.ceil(size / 512)))
    await file.close()
    const documents = (await collect(readTar(path))).map(shown)
    expect(documents).toEqual([`1.png: has ${size} bytes; at most ${largestMember} are read`, 'second: two'])
  })

  it('takes one block of zeros for the end, and any number', async () => {
    const tar = await tarFile({ '1.png': 'one', '1.txt': 'first' })
    for (const bytes of [tar.subarray(0, -512), Buffer.concat([tar, Buffer.alloc(9216)]), gzipSync(tar)])
      expect((await collect(readTar(await writeBytes(bytes)))).map(shown)).toEqual(['first: one'])
    // As the message advises.
    const mended = [tar.subarray(0, -1024), Buffer.alloc(1024)]
    for (const bytes of [Buffer.concat(mended), Buffer.concat(mended.map((part) => gzipSync(part)))])
      expect((await collect(readTar(await writeBytes(bytes)))).map(shown)).toEqual(['first: one'])
  })

  it('takes no memory for a size that is only announced', async () => {
    const path = await writeBytes(await headerOf('1.png', largestMember - 1))
    // What earlier tests have left is there until it is collected.
    const before = process.memoryUsage().arrayBuffers
    const documents = await collect(readTar(path))
    expect(documents.map(shown)).toEqual([expect.stringContaining('1.png: damaged or cut short')])
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(largestMember / 2)
  })

  it('names the member where the file is cut short or damaged, gives what comes before, and closes the file', async () => {
    const tar = await tarFile(three)
    const descriptors = async () => (await readdir('/proc/self/fd')).length
    const before = await descriptors()
    const message = (document: RawDocument | UnreadableDocument) => shown(document).replace(/ \(.*/, '')
    const unended = expect.stringMatching(/^may be cut short: the blocks of zeros .* \/dev\/zero/) as string
    const cut = tar.subarray(0, 2600)
    const damaged = Buffer.from(tar)
    damaged[2048 + 1] ^= 1
    for (const [bytes, messages] of [
      [cut, ['first: one', '2.jpg: damaged or cut short']],
      [damaged, ['1.txt: damaged or cut short']],
      [gzipSync(tar).subarray(0, 90), ['damaged or cut short']],
      [Buffer.from('this is no tar file'), ['damaged or cut short']],
      // Between two members, and after the last: whether more followed cannot be told.
      [tar.subarray(0, 2048), ['first: one', unended]],
      [tar.subarray(0, 1024), ['1: has no caption', unended]],
      [tar.subarray(0, -1024), ['first: one', `second: ${'two'.repeat(400)}`, 'third: three', unended]],
      [gzipSync(tar.subarray(0, 2048)), ['first: one', unended]],
      [Buffer.alloc(0), [unended]],
    ] as const) {
      const path = await writeBytes(bytes)
      const documents = await collect(readTar(path))
      expect(documents.map(message)).toEqual(messages)
      for (let skip = 1; skip <= documents.length; skip++)
        expect((await collect(readTar(path, skip))).map(shown)).toEqual(documents.slice(skip).map(shown))
    }
    const [missing] = await collect(readTar('/none/shard.tar'))
    expect(shown(missing!)).toContain('cannot be read (ENOENT')
    for await (const document of readTar(await writeBytes(tar))) if (document) break
    expect(await descriptors()).toBe(before)
  })

  it('reads headers of before POSIX', async () => {
    expect((await readShard(caseFile('tar/v7.tar'))).documents).toEqual(['red', 'red'])
  })

  it('says that members of a sample must be adjacent', async () => {
    const { documents } = await readShard(caseFile('tar/unsorted.tar'))
    const rule = 'The members of a sample must be adjacent, and their names equal up to the first dot'
    expect(documents).toEqual([
      `uncaptioned: 0001: has no caption (.txt, .caption, .json); it has 0001.png. ${rule}`,
      `uncaptioned: 0002: has no caption (.txt, .caption, .json); it has 0002.png. ${rule}`,
      expect.stringMatching(/^imageless: 0001: has no image .* it has 0001\.txt\. The members/),
      expect.stringMatching(/^imageless: 0002: has no image/),
    ])
  })

  it('names members with several dots in their names, a few of them', async () => {
    const { documents } = await readShard(caseFile('tar/dots.tar'))
    expect(documents).toEqual([
      expect.stringMatching(
        /^imageless: 22: has no image .*; it has 22\.05\.png, 22\.05\.txt, 22\.06\.png, 22\.06\.txt\. .* Rename them to have no other dot$/,
      ),
    ])
    const names = Array.from({ length: 50 }, (_, i) => [`shot.${i}.png`, 'x'])
    const path = await writeBytes(await tarFile(Object.fromEntries(names) as Members))
    expect((await readShard(path)).documents).toEqual([
      expect.stringContaining('it has shot.0.png, shot.1.png, shot.2.png, shot.3.png and more, 50 in all.'),
    ])
  })

  it('takes captions of JSON, and names the keys of those that are none', async () => {
    const { documents } = await readShard(caseFile('tar/prompt-key.tar'))
    expect(documents).toEqual([
      'fallback',
      'fallback',
      'document: 3.json: has no caption: expected "caption" or "text"; its keys are "prompt"',
      'document: 4.json: expected an object with "caption" or "text"; received "just text"',
      'document: 5.json:\n  caption: expected string; received ["a","b"]',
      expect.stringContaining('6.json: '),
      'bom',
    ])
  })

  it('takes every format for an image', async () => {
    const { documents } = await readShard(caseFile('image-formats/formats.tar'))
    expect(documents).toEqual(['g', 'a', 'b', 't', 'j', 'i'])
  })

  it('takes members for images by their content where their names do not tell, whatever comes first', async () => {
    const png = await readFile(caseFile('image-formats/folder/a.png'))
    const path = await writeBytes(
      await tarFile({
        '1.image': png,
        '1.txt': 'first',
        'IMG_2.txt': 'second',
        'IMG_2.npy': 'values',
        IMG_2: png,
        '3.npy': 'values',
        '3.txt': 'third',
        '4.png': 'named',
        '4.data': png,
        '4.txt': 'fourth',
      }),
    )
    const { documents, leftOut } = await readShard(path)
    expect(documents).toEqual([
      'first',
      'second',
      expect.stringMatching(/^imageless: 3: has no image/),
      'fourth',
    ])
    expect(leftOut).toEqual([expect.stringMatching(/^left out: 2 members beside/)])
    expect((await readShard(path, 2)).documents).toEqual(documents.slice(2))
  })

  it('counts members that belong to no sample, or that a sample does not need', async () => {
    const path = await writeBytes(
      await tarFile({
        'README.txt': 'about',
        'dataset.py': 'code',
        './__MACOSX/._1.png': 'hidden',
        './1.cls': '7',
        './1.png': 'one',
        './1.txt': 'first',
        './1.json': '{"width": 7}',
        './._1.txt': 'hidden',
        'PaxHeaders.7/2.png': 'hidden',
        '2.png': 'two',
        '2.jpg': 'two',
        '2.seg.png': 'mask',
        '2.TXT': '\ufeffsecond',
        '2.npy': 'numbers',
      }),
    )
    expect(await readShard(path)).toEqual({
      documents: ['first', 'second'],
      leftOut: [
        'left out: 2 members of archives that belong to no sample (first: README.txt)',
        "left out: 4 members beside the samples' images and captions (first: 1.cls)",
      ],
    })
  })

  it('finds captions by the names that a folder may have them under', async () => {
    const path = await writeBytes(
      await tarFile({
        'IMG_1.JPG': 'one',
        'img_1.TXT': 'first',
        '2.png': 'two',
        '2.png.txt': 'second',
        '3.png': 'three',
        '3.jpg.txt': 'of another image',
      }),
    )
    expect((await readShard(path)).documents).toEqual([
      'first',
      'second',
      expect.stringMatching(/^uncaptioned: 3: has no caption .*; it has 3\.png, 3\.jpg\.txt\./),
    ])
  })

  it('begins another record where a name comes again', async () => {
    const archive = pack()
    for (const caption of ['first', 'second']) {
      archive.entry({ name: '1.png' }, 'one')
      archive.entry({ name: '1.txt' }, caption)
    }
    archive.finalize()
    const path = await writeBytes(Buffer.concat(await collect(archive as AsyncIterable<Buffer>)))
    expect((await readShard(path)).documents).toEqual(['first', 'second'])
    expect((await collect(readTar(path, 1))).map(shown)).toEqual(['second: one'])
  })

  it('says that links are not followed', async () => {
    const archive = pack()
    archive.entry({ name: '1.png' }, 'one')
    archive.entry({ name: '1.txt' }, 'first')
    archive.entry({ name: '2.png', type: 'link', linkname: '1.png' })
    archive.entry({ name: '2.txt' }, 'second')
    archive.finalize()
    const chunks = await collect(archive as AsyncIterable<Buffer>)
    expect((await readShard(await writeBytes(Buffer.concat(chunks)))).documents).toEqual([
      'first',
      expect.stringMatching(/^imageless: 2: has no image .*; it has 2\.txt, 2\.png, a link\./),
    ])
  })

  it.each([
    ['28b52ffd00', /is compressed with zstd, which is not read: unpack it with "zstd -d FILE"/],
    ['fd377a585a00', /is compressed with xz/],
    ['425a6839314159265359', /is compressed with bzip2/],
    ['504b0304', /is a zip archive/],
    ['50415231', /is a Parquet file/],
    [Buffer.from('version https://git-lfs.github.com/spec/v1\n').toString('hex'), /is a Git LFS pointer/],
  ])('names what a file is instead: %s', async (magic, message) => {
    const { documents } = await readShard(await writeBytes(Buffer.from(magic, 'hex')))
    expect(documents).toEqual([expect.stringMatching(message)])
  })
})
