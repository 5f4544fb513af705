import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type {
  DocumentSource,
  SourceCursor,
  SourceItem,
} from '../../../../lib/data/sources/document_source.js'
import { openTarSource } from '../../../../lib/data/sources/tar/tar_source.js'
import { temporaryFolder } from '../../../temporary_folder.js'
import { type Members, writeTar } from './tar_file.js'

async function shards(counts: number[]): Promise<string> {
  const folder = await temporaryFolder()
  for (const [shard, count] of counts.entries()) {
    const members: Members = {}
    for (let i = 0; i < count; i++)
      Object.assign(members, { [`${i}.png`]: '', [`${i}.txt`]: `${shard}-${i}` })
    await writeTar(join(folder, `${shard}.tar`), members)
  }
  return folder
}

async function take(source: DocumentSource, seed: number, count: number, cursor?: SourceCursor) {
  const taken: SourceItem[] = []
  for await (const item of source.read(seed, cursor)) if (taken.push(item) === count) break
  return taken
}

const textsOfItems = (items: SourceItem[]) =>
  items.map(({ document }) =>
    'parts' in document ? (document.parts[0] as { text: string }).text : document.name,
  )

describe('openTarSource', () => {
  it('visits every record once in each epoch, in an order of its own', async () => {
    const source = await openTarSource({ path: await shards([7, 5, 9]), shuffleBuffer: 4 })
    const texts = textsOfItems(await take(source, 1, 63))
    const epochs = [0, 1, 2].map((epoch) => texts.slice(epoch * 21, (epoch + 1) * 21))
    const all = [7, 5, 9].flatMap((count, shard) => Array.from({ length: count }, (_, i) => `${shard}-${i}`))
    for (const epoch of epochs) expect(epoch.toSorted()).toEqual(all.toSorted())
    expect(new Set(epochs.map(String)).size).toBe(3)
    expect(textsOfItems(await take(source, 1, 63))).toEqual(texts)
    expect(textsOfItems(await take(source, 2, 63))).not.toEqual(texts)
  })

  it('shuffles within blocks of a file', async () => {
    const source = await openTarSource({ path: await shards([12]), shuffleBuffer: 4 })
    const texts = textsOfItems(await take(source, 3, 12))
    for (const block of [0, 4, 8]) {
      const records = [0, 1, 2, 3].map((i) => `0-${block + i}`)
      expect(texts.slice(block, block + 4).toSorted()).toEqual(records.toSorted())
    }
  })

  it('goes on from any cursor', async () => {
    const source = await openTarSource({ path: await shards([7, 4, 1]), shuffleBuffer: 4 })
    const whole = await take(source, 5, 40)
    for (let i = 0; i < 30; i++)
      expect(await take(source, 5, 6, whole[i]!.next)).toEqual(whole.slice(i + 1, i + 7))
    await expect(take(source, 5, 1, { position: 3 })).rejects.toThrow(
      'cursor.record must be an integer from 0',
    )
  })

  it('comes to an end of a damaged or empty file, and goes on with the next', async () => {
    const folder = await shards([3, 0])
    await writeFile(join(folder, '2.tar'), 'damaged')
    const source = await openTarSource({ path: folder })
    const items = await take(source, 1, 10)
    const names = textsOfItems(items.slice(0, 5)).map((name) => name.replace(`${folder}/`, ''))
    expect(names.toSorted()).toEqual(['0-0', '0-1', '0-2', '1.tar', '2.tar'])
    for (let i = 0; i < 5; i++)
      expect(textsOfItems(await take(source, 1, 5, items[i]!.next))).toEqual(
        textsOfItems(items.slice(i + 1, i + 6)),
      )
  })
})
