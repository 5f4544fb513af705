import { readdir, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { crc32c } from '../../lib/reporting/crc32c.js'
import { EventFile } from '../../lib/reporting/event_file.js'
import { temporaryFolder } from '../temporary_folder.js'

type Fields = Map<number, (number | Buffer)[]>

/** The fields of a message of protocol buffers, by number. */
function fieldsOf(bytes: Buffer): Fields {
  const fields: Fields = new Map()
  let at = 0
  const varint = () => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]!
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const key = varint()
    const [field, type] = [key >> 3, key & 7]
    let value: number | Buffer
    if (type === 0) value = varint()
    else if (type === 1) value = bytes.readDoubleLE((at += 8) - 8)
    else if (type === 5) value = bytes.readFloatLE((at += 4) - 4)
    else {
      const length = varint()
      value = bytes.subarray(at, (at += length))
    }
    fields.set(field, [...(fields.get(field) ?? []), value])
  }
  return fields
}

/** The records of a file, their checksums compared. */
function recordsOf(file: Buffer): Buffer[] {
  const masked = (bytes: Buffer) => {
    const crc = crc32c(bytes)
    return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
  }
  const records: Buffer[] = []
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at))
    expect(file.readUInt32LE(at + 8)).toBe(masked(file.subarray(at, at + 8)))
    const data = file.subarray(at + 12, at + 12 + length)
    expect(file.readUInt32LE(at + 12 + length)).toBe(masked(data))
    records.push(data)
    at += 16 + length
  }
  return records
}

describe('crc32c', () => {
  it('has the check values of RFC 3720', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43)
  })
})

describe('EventFile', () => {
  it('holds version, scalars, images and texts by step', async () => {
    const events = await EventFile.create(await temporaryFolder(), 0)
    events.scalars(300, { 'loss/lm': 1.5, 'training/learning_rate': 0.25 })
    events.image(400, 'samples', { png: Buffer.from('png'), width: 200, height: 3 })
    await events.flush()
    events.scalars(500, { late: -2 })
    await events.flush()
    events.text(600, 'config', '    {}')
    await events.close()
    const [version, , scalars, image, late, text] = recordsOf(await readFile(events.path)).map(fieldsOf)
    expect(String(version!.get(3)![0])).toBe('brain.Event:2')
    expect(scalars!.get(2)).toEqual([300])
    const values = fieldsOf(scalars!.get(5)![0] as Buffer)
      .get(1)!
      .map((value) => fieldsOf(value as Buffer))
    expect(values.map((value) => [String(value.get(1)![0]), value.get(2)![0]])).toEqual([
      ['loss/lm', 1.5],
      ['training/learning_rate', 0.25],
    ])
    const shown = fieldsOf(fieldsOf(image!.get(5)![0] as Buffer).get(1)![0] as Buffer)
    const picture = fieldsOf(shown.get(4)![0] as Buffer)
    expect([picture.get(1), picture.get(2), String(picture.get(4)![0])]).toEqual([[3], [200], 'png'])
    expect(late!.get(2)).toEqual([500])
    const shownText = fieldsOf(fieldsOf(text!.get(5)![0] as Buffer).get(1)![0] as Buffer)
    const tensor = fieldsOf(shownText.get(8)![0] as Buffer)
    expect([tensor.get(1), String(tensor.get(8)![0])]).toEqual([[7], '    {}'])
    expect(String(shownText.get(9)![0])).toContain('text')
  })

  it('says where a session goes on, so that events of earlier ones beyond are dropped, in a file of its own', async () => {
    const folder = await temporaryFolder()
    for (const step of [0, 70]) {
      const events = await EventFile.create(folder, step)
      await events.close()
      const [, start] = recordsOf(await readFile(events.path)).map(fieldsOf)
      // What is at this step is dropped too.
      expect(start!.get(2)).toEqual([step + 1])
      expect(fieldsOf(start!.get(7)![0] as Buffer).get(1)).toEqual([1])
    }
    expect(await readdir(folder)).toHaveLength(2)
  })
})
