import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../lib/config/parse.js'
import { dataSchema, defaultWorkers, openSources } from '../../lib/datasets/data_config.js'
import { writePng } from '../../lib/image/image_io.js'
import type { RawDocument } from '../../lib/data/document.js'
import { textsOf } from '../../lib/data/sources/document_source.js'
import type { WeightedSource } from '../../lib/data/stream/open_stream.js'
import { temporaryFolder } from '../temporary_folder.js'
import { idxFile } from '../data/sources/idx/idx_file.js'
import { writeTar } from '../data/sources/tar/tar_file.js'
import { collect } from '../data/stream/documents.js'

const parse = (data: unknown) => parseConfig(dataSchema, data, 'data')

describe('dataSchema', () => {
  it('opens every kind of source, alone and in a mixture', async () => {
    const path = await temporaryFolder()
    const at = (name: string) => join(path, name)
    await writeFile(at('images'), idxFile([2, 1, 1], [7, 8]))
    await writeFile(at('labels'), idxFile([2], [1, 0]))
    await writePng(at('a.png'), { width: 1, height: 1, channels: 1, data: new Uint8Array(1) })
    await writeFile(at('a.txt'), 'from a folder')
    await writeFile(at('b.jsonl'), '{"content": "from JSON"}')
    await writeFile(at('c.txt'), 'from|text')
    await writeTar(at('d.tar'), { 'd.png': '', 'd.txt': 'from a tar file' })
    const sources = [
      { type: 'idx', images: at('images'), labels: at('labels'), classNames: ['bag', 'coat'] },
      { type: 'folder', path },
      { type: 'jsonl', path: at('*.jsonl'), field: 'content' },
      { type: 'text', path: at('c.txt'), separator: '|' },
      { type: 'tar', path },
    ]
    const texts = [
      ['a coat', 'a bag'],
      ['from a folder'],
      ['from JSON'],
      ['from', 'text'],
      ['from a tar file'],
    ]
    for (const [i, source] of sources.entries()) {
      const [opened] = await openSources(parse(source))
      expect(opened!.weight).toBe(1)
      expect(await collect(textsOf(opened!.source))).toEqual(texts[i])
    }
    const weighted = sources.map((source, i) => ({ ...source, weight: i + 1 }))
    const mixture = await openSources(parse({ type: 'mixture', sources: weighted }))
    expect(mixture.map(({ weight }) => weight)).toEqual([1, 2, 3, 4, 5])
    expect(await collect(textsOf(mixture[2]!.source))).toEqual(['from JSON'])
  })

  it('names a type that there is not', async () => {
    await expect(openSources({ type: 'parquet', path: 'a' } as never)).rejects.toThrow(
      /^data:\n {2}type: expected/,
    )
  })

  it("opens IDX files of EMNIST's layout", async () => {
    const path = await temporaryFolder()
    await writeFile(join(path, 'images'), idxFile([1, 2, 1], [7, 8]))
    await writeFile(join(path, 'labels'), idxFile([1], [1]))
    const idx = { type: 'idx', images: join(path, 'images'), labels: join(path, 'labels'), classNames: ['a'] }
    await expect(openSources(parse(idx))).rejects.toThrow('"firstLabel": 1 would fit')
    const [{ source }] = (await openSources(parse({ ...idx, firstLabel: 1, transpose: true }))) as [
      WeightedSource,
    ]
    const [document] = (await collect(source.once())) as [RawDocument]
    expect(document.parts[1]).toMatchObject({ image: { width: 2, height: 1 } })
  })

  it('wants threads for what is on disk', () => {
    const fashion = { type: 'fashion-mnist' }
    const folder = { type: 'folder', path: 'a' }
    const workers = (...sources: object[]) => defaultWorkers(parse({ type: 'mixture', sources }))
    expect(defaultWorkers(parse(fashion))).toBe(0)
    expect(defaultWorkers(parse(folder))).toBe(1)
    expect([workers(fashion, fashion), workers(fashion, folder)]).toEqual([0, 1])
  })

  it('says what is wrong', () => {
    expect(() => parse({ type: 'foldr', path: 'a' })).toThrow(/did you mean "folder"|type: /)
    expect(() => parse({ type: 'tar', path: 'a', shufleBuffer: 3 })).toThrow('did you mean "shuffleBuffer"?')
    expect(() => parse({ type: 'text', path: [] })).toThrow('path: ')
    expect(() => parse({ type: 'mixture', sources: [{ type: 'text', path: 'a', weight: 0 }] })).toThrow(
      'sources[0].weight: ',
    )
  })
})
