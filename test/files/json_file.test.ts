import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseJson, readJson } from '../../lib/files/json_file.js'
import { temporaryFolder } from '../temporary_folder.js'

describe('parseJson', () => {
  it.each([
    [
      '{"a": NaN}',
      'column 7: expected a number, true, false, null, or text in double quotes; received NaN, which Python writes and JSON does not have',
    ],
    [
      '{"a": -Infinity}',
      'column 7: expected a number, true, false, null, or text in double quotes; received -Infinity, which Python writes and JSON does not have',
    ],
    [
      '{"a": True}',
      'column 7: expected a number, true, false, null, or text in double quotes; received True, which is Python, where JSON has true, false and null',
    ],
    ["{'a': 1}", "column 2: expected a key in double quotes; received 'a', where JSON has double quotes: \""],
    ['{a: 1}', 'column 2: expected a key in double quotes; received a'],
    ['{"a": .5}', 'column 7: expected a number, true, false, null, or text in double quotes; received .5'],
    ['{"a": 1.}', 'column 7: expected digits after a decimal point or an exponent; received 1.'],
    ['{\n  "a": 1\n  "b": 2\n}', 'line 3, column 3: expected a comma; received "b"'],
    ['{"a" 1}', 'column 6: expected a colon after the key; received 1'],
    ['{"a": 1,}', 'column 9: expected a key in double quotes; received }'],
    ['[1, 2', 'column 6: expected a comma or ]; received the end'],
    ['{"a": {"b": 1}', 'column 15: expected a comma or }; received the end'],
    ['{"a": ', 'column 7: expected a value; received the end'],
    ['{"a": "x', 'column 7: a text is not closed: expected " on the same line'],
    [
      '{"a": "C:\\data"}',
      'column 7: a text holds a backslash that begins no escape: expected two of them, \\\\, in "C:\\data"',
    ],
    [
      '{"a": "\t"}',
      'column 7: a text holds a tab or another control character: expected an escape, \\t or \\u0009',
    ],
    ['{"a":1}\n{"a":2}', 'line 2, column 1: expected nothing after the value; received {'],
    ['// c\n{}', 'line 1, column 1: received a comment, but JSON has no comments'],
    [
      '{"a":\u00a01}',
      'column 6: expected a number, true, false, null, or text in double quotes; received U+00A0, which is no space that JSON knows',
    ],
    [
      '# c\n{}',
      'line 1, column 1: expected a number, true, false, null, or text in double quotes; received #, which begins no comment',
    ],
    [' \n', 'it is empty'],
    ['['.repeat(200_000), 'it is nested too deeply'],
  ])('says what is wrong in %j', (text, fault) => {
    expect(() => parseJson(text, 'a.json')).toThrow(new Error(`a.json: not JSON (${fault})`))
  })
})

describe('readJson', () => {
  it('reads what begins with a byte order mark', async () => {
    const path = join(await temporaryFolder(), 'a.json')
    await writeFile(path, '\ufeff{"a": 1}')
    expect(await readJson(path)).toEqual({ a: 1 })
  })

  it('names a folder and what is missing', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'a.json'))
    await expect(readJson(join(folder, 'a.json'))).rejects.toThrow(
      `${folder}/a.json: is a folder; expected a file`,
    )
    await expect(readJson(join(folder, 'b.json'))).rejects.toThrow(`${folder}/b.json: no such file`)
    expect(await readJson(join(folder, 'b.json'), 7)).toBe(7)
  })
})
