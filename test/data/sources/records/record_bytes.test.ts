import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { TextFiles } from '../../../../lib/data/sources/records/record_bytes.js'
import { temporaryFolder } from '../../../temporary_folder.js'

it('holds no more than a limit in memory, of all files together', async () => {
  const folder = await temporaryFolder()
  const write = async (name: string, content: string | Buffer) => {
    await writeFile(join(folder, name), content)
    return join(folder, name)
  }
  const plain = await write('plain.txt', 'x'.repeat(1000))
  const small = await write('small.gz', gzipSync('x'.repeat(60)))
  const utf16 = await write('utf16.txt', Buffer.from('\ufeffab', 'utf16le'))
  const files = new TextFiles(62)
  for (const path of [plain, small, utf16]) {
    const { bytes, inMemory } = await files.open(path)
    expect(inMemory).toBe(path !== plain)
    await bytes.close()
  }
  await expect(files.open(small)).rejects.toThrow(
    `${small}: cannot be read (files that are gzipped or UTF-16 are held in memory, at most 62 bytes together: ` +
      'unpack them ("gunzip -k FILE") or convert them to UTF-8 ("iconv -f UTF-16 -t UTF-8"))',
  )
  const odd = await write('odd.txt', Buffer.from([0xff, 0xfe, 0x61]))
  await expect(new TextFiles().open(odd)).rejects.toThrow(
    'odd.txt: cannot be read (its text is not UTF-16LE, as its byte order mark says)',
  )
})
