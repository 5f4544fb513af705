import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ConfigError, parseConfig } from '../../lib/config/parse.js'

const Schema = z.strictObject({
  steps: z.int().min(1).default(100),
  predict: z.enum(['eps', 'v', 'x0']).default('eps'),
  model: z
    .strictObject({
      layers: z.int(),
      heads: z.int(),
      blocks: z.array(z.strictObject({ kind: z.string() })).optional(),
    })
    .refine(({ layers, heads }) => layers >= heads, { message: 'layers must be at least heads' }),
  data: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('idx'), images: z.string() }),
      z.strictObject({ type: z.literal('folder'), folder: z.string() }),
    ])
    .optional(),
  device: z.union([z.literal('cpu'), z.int()]).optional(),
  paths: z.union([z.string(), z.array(z.string())]).optional(),
})
const model = { layers: 4, heads: 4 }

function messageFor(value: unknown): string {
  try {
    parseConfig(Schema, value, 'config a.json')
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  throw new Error('the value was accepted')
}

describe('parseConfig', () => {
  it('returns the value with defaults filled in', () => {
    expect(parseConfig(Schema, { model }, 'config')).toEqual({ steps: 100, predict: 'eps', model })
  })

  it.each([
    ['a mistyped key', { model, stpes: 3 }, 'stpes: unknown key; did you mean "steps"?'],
    ['a nested key', { model: { ...model, haeds: 3 } }, 'model.haeds: unknown key; did you mean "heads"?'],
    [
      'a key in an optional list',
      { model: { ...model, blocks: [{ kind: 'a' }, { kind: 'b', kin: 1 }] } },
      'model.blocks[1].kin: unknown key; did you mean "kind"?',
    ],
    [
      'a key in a union',
      { model, data: { type: 'folder', folder: 'x', floder: 'y' } },
      'data.floder: unknown key; did you mean "folder"?',
    ],
    [
      'a key unlike any',
      { model, zebra: 3 },
      'zebra: unknown key; known: steps, predict, model, data, device, paths',
    ],
    ['a wrong kind', { model, steps: 'many' }, 'steps: expected number; received "many"'],
    ['a value out of range', { model, steps: 0 }, 'steps: expected number to be >=1; received 0'],
    ['a missing key', { model: { layers: 4 } }, 'model.heads: expected number; received nothing'],
    [
      'a mistyped choice',
      { model, predict: 'ep' },
      'predict: did you mean "eps"? Expected "eps", "v" or "x0"; received "ep"',
    ],
    ['a choice of kinds', { model, device: true }, 'device: expected "cpu" or number; received true'],
    [
      'a rule of ours',
      { model: { layers: 1, heads: 2 } },
      'model: layers must be at least heads; received {"layers":1,"heads":2}',
    ],
    [
      'a mistyped kind of object',
      { model, data: { type: 'foldr', folder: 'x' } },
      'data.type: did you mean "folder"? Expected "idx" or "folder"; received "foldr"',
    ],
    [
      'an object of no kind',
      { model, data: { folder: 'x' } },
      'data.type: expected "idx" or "folder"; received nothing',
    ],
    [
      'a kind alone',
      { model, data: 'folder' },
      'data: expected object with "type": "folder"; received "folder"',
    ],
    [
      'what is no object of any kind',
      { model, data: null },
      'data: expected object with "type": "idx" or "folder"; received null',
    ],
    [
      'a key of another kind of object',
      { model, data: { type: 'idx', images: 'x', folder: 'y' } },
      'data.folder: unknown key; known: type, images',
    ],
    [
      'an item of a list that need not be one',
      { model, paths: ['a', 3] },
      'paths[1]: expected string; received 3',
    ],
    [
      'a value in the place of an object',
      { model: 3 },
      'model: expected object with layers, heads, blocks; received 3',
    ],
    ['a key of a part at the top', { model, layers: 3 }, 'layers: unknown key; did you mean model.layers?'],
    ['the beginning of a key', { model: { ...model, b: 3 } }, 'model.b: unknown key; did you mean "blocks"?'],
    ['a whole value', 3, '(whole value): expected object; received 3'],
  ])('explains %s', (_, value, line) => {
    expect(messageFor(value)).toBe(`config a.json:\n  ${line}`)
  })

  it('lists every problem', () => {
    expect(messageFor({ model, stpes: 1, predict: 4 }).split('\n')).toHaveLength(3)
  })

  it('shortens long values', () => {
    expect(messageFor({ model, steps: 'x'.repeat(1000) }).length).toBeLessThan(200)
  })
})
