import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readImage } from '../../../../lib/image/image_io.js'
import { openFolderSource } from '../../../../lib/data/sources/folder/folder_source.js'
import { collect } from '../../stream/documents.js'
import { temporaryFolder } from '../../../temporary_folder.js'

async function folderOf(files: Record<string, string | Uint8Array>): Promise<string> {
  const folder = await temporaryFolder()
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), content)
  }
  return folder
}

/** Each document as "image: caption", or its message, without the folder's path. */
async function read(files: Record<string, string | Uint8Array>) {
  const folder = await folderOf(files)
  const short = (text: string) => text.replaceAll(`${folder}/`, '').replaceAll(folder, 'FOLDER')
  const source = await openFolderSource(folder).catch((error: Error) => {
    throw new Error(short(error.message))
  })
  const documents = (await collect(source.once())).map((document) => {
    if ('error' in document) return short(document.error.message)
    const [text] = document.parts as unknown as [{ text: string }]
    return `${short(document.name)}: ${text.text}`
  })
  return { source, documents, leftOut: source.leftOut!.summary.map(short) }
}

const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le')

describe('openFolderSource', () => {
  it('finds captions in small letters and capitals, and under every name that they have', async () => {
    const { documents, leftOut } = await read({
      'IMG_1.JPG': '',
      'IMG_1.TXT': 'first',
      'a/b.png': '',
      'a/b.caption': 'second',
      'c.webp': '',
      'c.json': '{"width": 7, "text": "third"}',
      'd.png': '',
      'd.png.txt': 'fourth',
      'Dsc_1.png': '',
      'DSC_1.txt': 'fifth',
      'e.gif': '',
      'e.txt': 'sixth',
      'e.json': '{"caption": "not this"}',
    })
    expect(documents).toEqual([
      'Dsc_1.png: fifth',
      'IMG_1.JPG: first',
      'a/b.png: second',
      'c.webp: third',
      'd.png: fourth',
      'e.gif: sixth',
    ])
    expect(leftOut).toEqual([])
  })

  it('gives a caption to no other image whose name differs in capitals', async () => {
    const { documents } = await read({
      'a.png': '',
      'a.txt': 'small',
      'A.png': '',
      'b.png': '',
      'B.txt': 'big',
    })
    expect(documents).toEqual([
      'A.png: its caption is missing; expected A.txt beside it (or A.caption, A.json); found a.txt',
      'a.png: small',
      'b.png: big',
    ])
  })

  it('leaves an image without a caption out, and counts it', async () => {
    const { source, documents } = await read({ 'a.png': '', 'a.txt': 'a', 'b.png': '', 'b.cap': 'b' })
    expect(source.length).toBe(1)
    expect(source.unreadable).toHaveLength(1)
    expect(source.unreadable![0]!.reason).toBe('uncaptioned')
    expect(documents).toEqual([
      'b.png: its caption is missing; expected b.txt beside it (or b.caption, b.json); found b.cap',
      'a.png: a',
    ])
  })

  it('says where a caption has the name in another Unicode form', async () => {
    const { documents } = await read({
      'a.png': '',
      'a.txt': 'a',
      ['caf\u00e9.png']: '',
      ['cafe\u0301.txt']: 'coffee',
    })
    expect(documents[0]).toContain('is of another Unicode form (NFC and NFD): rename one of them')
  })

  it('passes over a raw file beside its photo, and takes lines that end as on Windows', async () => {
    const { documents, leftOut } = await read({
      'IMG_1.CR2': '',
      'IMG_1.JPG': '',
      'IMG_1.txt': 'two\r\nlines\r\n',
      'IMG_2.HEIC': '',
      'IMG_2.txt': 'alone',
    })
    expect(documents).toEqual(['IMG_1.JPG: two\nlines', 'IMG_2.HEIC: alone'])
    expect(leftOut).toEqual(['left out: 1 other file (IMG_1.CR2)'])
  })

  it('says of a name that is not UTF-8 that this is why it cannot be read', async () => {
    const folder = await folderOf({ 'a.png': '', 'a.txt': 'a' })
    for (const end of ['png', 'txt'])
      await writeFile(
        Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9]), Buffer.from(`.${end}`)]),
        'x',
      )
    const documents = await collect((await openFolderSource(folder)).once())
    expect(documents.map((document) => 'error' in document && document.error.message)).toEqual([
      false,
      expect.stringContaining('txt: no such file or folder; its name is not UTF-8: rename it'),
    ])
  })

  it('counts files that are no captioned images, but not hidden ones', async () => {
    const { documents, leftOut } = await read({
      'a.png': '',
      'a.txt': 'a',
      '._a.png': '',
      '.ipynb_checkpoints/a-checkpoint.png': '',
      'Thumbs.db': '',
      'shots.txt/b.png': '',
      'shots.txt/b.txt': 'b',
      'train.png/c.png': '',
      'train.png/c.txt': 'c',
      'notes.txt': 'to do',
      'work.psd': '',
      'latents.npz': '',
      'stats.json': '{}',
    })
    expect(documents).toEqual(['a.png: a', 'shots.txt/b.png: b', 'train.png/c.png: c'])
    expect(leftOut).toEqual([
      'left out: 1 text without an image (notes.txt)',
      'left out: 3 other files (first: latents.npz)',
    ])
  })

  it('reads UTF-16 captions, and says what is no caption', async () => {
    const { documents } = await read({
      'a.png': '',
      'a.txt': utf16('a red square\r\n'),
      'b.png': '',
      'b.txt': Uint8Array.of(0x61, 0xe9),
      'c.png': '',
      'c.txt': utf16('no mark').subarray(2),
      'd.png': '',
      'd.json': '{"prompt": "d", "seed": 1}',
      'e.png': '',
      'e.txt': 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n',
    })
    expect(documents).toEqual([
      'a.png: a red square',
      'b.txt: its text is not UTF-8; expected UTF-8, or UTF-16 that begins with a byte order mark',
      'c.txt: its text holds zero bytes, as binary files do and UTF-16 without a mark; expected UTF-8, or UTF-16 ' +
        'that begins with a byte order mark',
      'd.json: has no caption: expected "caption" or "text"; its keys are "prompt", "seed"',
      'e.txt: is a Git LFS pointer, not the file itself: fetch it with "git lfs pull"',
    ])
  })

  it.each([
    [{ 'a.png': '' }, /^a\.png: its caption is missing; .*a\.json\)$/],
    [{ 'a.png': '', 'b.svg': '' }, /^a\.png: its .*\(none of the 2 images of FOLDER has one\)$/],
    [{ 'a.png': '', 'metadata.jsonl': '' }, 'it holds metadata.jsonl, which "type": "jsonl" reads'],
    [{ '0.tar': '' }, /^FOLDER: holds no images; .*; it holds 0\.tar, which "type": "tar" reads$/],
    [{ 'a.txt': '' }, 'it holds a.txt, which "type": "text" reads'],
    [{ 'train.parquet': '' }, 'it holds train.parquet, which is not read'],
  ])('says what a folder without captioned images holds: %j', async (files, message) => {
    await expect(read(files)).rejects.toThrow(message)
  })

  it('refuses what is no folder', async () => {
    const folder = await folderOf({ 'a.jsonl': '' })
    await expect(openFolderSource(join(folder, 'a.jsonl'))).rejects.toThrow(
      'a.jsonl: is a file; "type": "folder" expects a folder of images and captions; "type": "jsonl" reads such a file',
    )
    await expect(openFolderSource(join(folder, 'none'))).rejects.toThrow('none: no such file or folder')
    await expect(openFolderSource('~/shots')).rejects.toThrow('"~" is not replaced by the home folder')
  })

  it('takes every format for an image; those that are not decoded cannot be read', async () => {
    const folder = fileURLToPath(new URL('../../../fixtures/cases/image-formats/folder', import.meta.url))
    const paths: string[] = []
    for (const document of await collect((await openFolderSource(folder)).once())) paths.push(document.name)
    expect(paths.map((path) => path.slice(folder.length + 1))).toEqual([
      'a.png',
      'b.bmp',
      'c.gif',
      'd.tiff',
      'e.avif',
      'f.jfif',
    ])
    const size = { width: 4, height: 4, channels: 3 } as const
    const results = await Promise.allSettled(paths.map((path) => readImage(path, size)))
    expect(results.map(({ status }) => status === 'fulfilled')).toEqual([true, false, true, true, true, true])
  })

  it('takes captioned files for images by their content where their names do not tell', async () => {
    const folder = await temporaryFolder()
    const image = fileURLToPath(
      new URL('../../../fixtures/cases/image-formats/folder/c.gif', import.meta.url),
    )
    for (const name of ['IMG_1', '2.image', '3.npz', 'alone']) await copyFile(image, join(folder, name))
    await writeFile(join(folder, '3.npz'), 'values')
    await copyFile(image, join(folder, '3.gif'))
    for (const name of ['IMG_1', '2', '3']) await writeFile(join(folder, `${name}.txt`), name)
    const source = await openFolderSource(folder)
    const documents = await collect(source.once())
    expect(documents.map(({ name }) => name.slice(folder.length + 1))).toEqual(['2.image', '3.gif', 'IMG_1'])
    expect(source.leftOut?.summary).toEqual([`left out: 2 other files (first: ${join(folder, '3.npz')})`])
  })
})
