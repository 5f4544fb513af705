import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { readConfig } from '../../lib/files/config_file.js'
import { parseConfig } from '../../lib/config/parse.js'
import { filePath } from '../../lib/config/paths.js'
import { withCurrentKeys, withRenamedKeys } from '../../lib/config/renamed.js'
import { temporaryFolder } from '../temporary_folder.js'

const training = withRenamedKeys(
  z.strictObject({ gradientAccumulation: z.int().min(1).default(1), steps: z.int().default(1) }),
  { accumulate: 'gradientAccumulation' },
)
const source = withRenamedKeys(
  z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('file').default('file'), path: filePath }),
    z.strictObject({ type: z.literal('list'), paths: z.array(filePath), path: filePath.optional() }),
  ]),
  { file: 'path' },
)
const Schema = z.strictObject({ training: training.prefault({}), sources: z.array(source).optional() })

const refusal = (value: unknown): string => {
  try {
    parseConfig(Schema, value, 'config')
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('the value was accepted')
}

describe('withRenamedKeys', () => {
  it.each([{ accumulate: 4 }, { gradientAccumulation: 4 }])('reads %j', (written) => {
    expect(Schema.parse({ training: written }).training).toEqual({ gradientAccumulation: 4, steps: 1 })
  })

  it('reads old names in unions and lists, and fills in defaults', () => {
    expect(Schema.parse({ sources: [{ file: 'a' }, { type: 'list', paths: [], file: 'b' }] })).toEqual({
      training: { gradientAccumulation: 1, steps: 1 },
      sources: [
        { type: 'file', path: 'a' },
        { type: 'list', paths: [], path: 'b' },
      ],
    })
  })

  it.each([
    [
      { training: { accumulate: 2, gradientAccumulation: 3 } },
      'training.accumulate: expected gradientAccumulation alone: accumulate is its old name; received 2',
    ],
    [{ training: { accumulate: 0 } }, 'training.gradientAccumulation: expected number to be >=1; received 0'],
    [{ training: { acumulate: 2 } }, 'training.acumulate: unknown key; known: gradientAccumulation, steps'],
    [
      { training: { gradientAcumulation: 2 } },
      'training.gradientAcumulation: unknown key; did you mean "gradientAccumulation"?',
    ],
    [{ training: 3 }, 'training: expected object with gradientAccumulation, steps; received 3'],
    [{ sources: [{ file: 3 }] }, 'sources[0].path: expected string; received 3'],
    [{ steps: 3 }, 'steps: unknown key; did you mean training.steps?'],
  ])('explains %j', (value, line) => {
    expect(refusal(value)).toBe(`config:\n  ${line}`)
  })

  it('refuses both names at the top of a value', () => {
    expect(() => parseConfig(training, { accumulate: 2, gradientAccumulation: 2 }, 'options')).toThrow(
      'options:\n  accumulate: expected gradientAccumulation alone: accumulate is its old name; received 2',
    )
  })

  it('leaves what objects have of their own alone', () => {
    expect(refusal({ training: JSON.parse('{ "__proto__": 1, "toString": 2 }') as unknown })).toContain(
      'training.toString: unknown key',
    )
  })

  it('has the JSON Schema of the schema inside, without the old names', () => {
    const options = { io: 'input' } as const
    const plain = z.strictObject({
      gradientAccumulation: z.int().min(1).default(1),
      steps: z.int().default(1),
    })
    expect(z.toJSONSchema(training, options)).toEqual(z.toJSONSchema(plain, options))
    expect(JSON.stringify(z.toJSONSchema(Schema, options))).not.toMatch(/accumulate|"file":/)
  })

  it('knows its names after it was given a description', () => {
    const described = z.strictObject({ training: training.describe('How long.') })
    expect(withCurrentKeys(described, { training: { accumulate: 2 } })).toEqual({
      training: { gradientAccumulation: 2 },
    })
  })
})

describe('readConfig', () => {
  const read = async (config: unknown, ...settings: string[]) => {
    const path = join(await temporaryFolder(), 'config.json')
    await writeFile(path, JSON.stringify(config))
    return { config: await readConfig(path, Schema, settings), folder: path.slice(0, -'/config.json'.length) }
  }

  it('gives current names, and resolves paths under old ones', async () => {
    const { config, folder } = await read({ training: { accumulate: 2 }, sources: [{ file: 'a' }] })
    expect(config).toEqual({ training: { gradientAccumulation: 2 }, sources: [{ path: `${folder}/a` }] })
  })

  it.each([
    [{ accumulate: 2 }, 'training.gradientAccumulation=3'],
    [{ gradientAccumulation: 2 }, 'training.accumulate=3'],
    [{ accumulate: 2 }, 'training.accumulate=3'],
    [{ gradientAccumulation: 2 }, 'training={"accumulate":3}'],
    [{}, 'training.accumulate=3'],
  ])('changes %j by --set %s', async (written, setting) => {
    expect((await read({ training: written }, setting)).config).toEqual({
      training: { gradientAccumulation: 3 },
    })
  })

  it('takes a setting away by its old name', async () => {
    expect(
      (await read({ training: { gradientAccumulation: 2 } }, 'training.accumulate=null')).config,
    ).toEqual({
      training: {},
    })
  })

  it('changes items of lists by old names', async () => {
    const { config } = await read({ sources: [{ path: '/a' }] }, 'sources[0].file=/b')
    expect(config).toEqual({ sources: [{ path: '/b' }] })
  })

  it('leaves both names of one key for the schema to refuse', async () => {
    const both = { training: { accumulate: 2, gradientAccumulation: 3 } }
    expect((await read(both)).config).toEqual(both)
  })
})
