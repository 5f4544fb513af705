import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../temporary_folder.js'
import { command } from './command.js'

const fixture = fileURLToPath(new URL('../fixtures/parquet/zstd.parquet', import.meta.url))

it('converts Parquet files to JSON Lines', async () => {
  const cwd = await temporaryFolder()
  await copyFile(fixture, join(cwd, 'a.parquet'))
  expect(await command(['convert', 'a.parquet', 'a.parquet', '--out', 'a.jsonl'], { cwd })).toEqual({
    code: 0,
    stdout: 'a.jsonl: 24 rows\n',
    stderr: '',
  })
  expect((await readFile(join(cwd, 'a.jsonl'), 'utf8')).match(/\n/g)).toHaveLength(24)
  await writeFile(join(cwd, 'b.parquet'), 'no')
  expect(await command(['convert', 'b.parquet', '--out', 'b.jsonl'], { cwd })).toMatchObject({
    code: 1,
    stderr: 'transfusion: b.parquet: is no Parquet file: it does not begin with PAR1\n',
  })
})
