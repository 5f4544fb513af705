// docs/config.md and schema/ are made from docstrings: of these hooks' work, what is not seen there.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const hooks = new URL('../scripts/docstring-hooks.mjs', import.meta.url).href
const root = fileURLToPath(new URL('..', import.meta.url))

/** What `exported` of a module of this text is, as JSON Schema. */
function schemaOf(source: string): unknown {
  const code = `
    import { z } from 'zod'
    import { describe } from '${hooks}'
    const text = describe(${JSON.stringify(`import { z } from 'zod'\n${source}`)}).replace("'zod'", JSON.stringify(import.meta.resolve('zod')))
    const { exported } = await import('data:text/javascript,' + encodeURIComponent(text))
    console.log(JSON.stringify(z.toJSONSchema(exported, { io: 'input' })))`
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: root, encoding: 'utf8' }),
  )
}

it('describes keys, constants, shorthands and items of lists, and those inside them', () => {
  const source = `
    /** Of both. */
    const count = z.int()
    const steps = z.number()
    /** The whole. */
    export const exported = z.strictObject({
      /**
       * Over two
       * lines. @useDeclaredType
       */
      first: count.default(3),
      count,
      /** A shorthand. */
      steps,
      /** A choice. */
      kind: z.discriminatedUnion('type', [
        /** One. */
        z.strictObject({ type: z.literal('a') }),
        z.strictObject({ type: z.literal('b') }),
      ]),
      // No docstring.
      plain: z.string(),
    })
    /** No schema. */
    export const other = () => ({ /** None either. */ a: 1 })
    // The last line.`
  const schema = schemaOf(source) as {
    description: string
    properties: Record<string, Record<string, unknown>>
  }
  expect(schema.description).toBe('The whole.')
  const { first, count, steps, kind, plain } = schema.properties
  expect(first).toMatchObject({ description: 'Over two lines.', default: 3 })
  expect(count).toMatchObject({ description: 'Of both.' })
  expect(steps).toMatchObject({ description: 'A shorthand.' })
  expect(kind).toMatchObject({
    description: 'A choice.',
    oneOf: [{ description: 'One.' }, expect.not.objectContaining({ description: expect.anything() })],
  })
  expect(plain).toEqual({ type: 'string' })
})
