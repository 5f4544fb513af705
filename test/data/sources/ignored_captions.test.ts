import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { DocumentSource } from '../../../lib/data/sources/document_source.js'
import { openSource } from '../../../lib/datasets/data_config.js'
import { encodePng } from '../../../lib/image/image_io.js'
import { temporaryFolder } from '../../temporary_folder.js'
import { collect } from '../stream/documents.js'
import { tarFile } from './tar/tar_file.js'

const shown = async (source: DocumentSource) =>
  (await collect(source.once())).map((document) =>
    'error' in document ? document.error.message : document.parts.map(({ type }) => type).join(' '),
  )

it('reads images of folders and tar files whether they have captions or not, where captions are ignored', async () => {
  const folder = await temporaryFolder()
  const png = await encodePng({ width: 1, height: 1, channels: 1, data: new Uint8Array(1) })
  await mkdir(join(folder, 'pictures'))
  await writeFile(join(folder, 'pictures', 'a.png'), png)
  await writeFile(join(folder, 'pictures', 'b.png'), png)
  await writeFile(join(folder, 'pictures', 'b.json'), 'no JSON')
  const members = { '0.png': png, '1.png': png, '1.txt': 'one' }
  await writeFile(join(folder, 'shard.tar'), await tarFile(members))
  const pictures = { type: 'folder' as const, path: join(folder, 'pictures') }
  const shard = { type: 'tar' as const, path: join(folder, 'shard.tar'), shuffleBuffer: 10 }
  for (const config of [pictures, shard]) {
    const required = await shown(await openSource(config))
    expect(required[0]).toContain('caption')
    expect(await shown(await openSource(config, { captions: 'ignored' }))).toEqual(['image', 'image'])
  }
  await mkdir(join(folder, 'empty'))
  await expect(
    openSource({ type: 'folder', path: join(folder, 'empty') }, { captions: 'ignored' }),
  ).rejects.toThrow('empty: holds no images; expected')
})
