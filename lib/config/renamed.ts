import { z } from 'zod'
import { definitionOf, mapMembers, memberOf, optionsFor } from './schema_tree.js'

type Schema = z.core.$ZodType
/** A key of an object, or an index of a list. */
export type Step = string | number

/** By schema the current names of its keys by their old ones; keyed by the transform, which clones of the schema share. */
const renamedKeys = new WeakMap<Schema, ReadonlyMap<string, string>>()

/**
 * A schema of an object, or a union of objects, that also reads old names of its keys: `names` has the current name by
 * each. A value that has both is refused. Errors, suggestions and JSON Schemas name the current keys alone.
 */
export function withRenamedKeys<Inner extends z.ZodType>(
  schema: Inner,
  names: Readonly<Record<string, string>>,
): z.ZodPreprocess<Inner, z.input<Inner>> {
  const currentNames = new Map(Object.entries(names))
  const renamed = z.preprocess((value: z.input<Inner>, context) => {
    for (const [old, current] of currentNames)
      if (hasKey(value, old) && hasKey(value, current))
        context.addIssue({
          code: 'custom',
          path: [old],
          message: `expected ${current} alone: ${old} is its old name`,
        })
    return withNames(value, currentNames)
  }, schema)
  renamedKeys.set(renamed.def.in, currentNames)
  return renamed
}

/** A value as it was written with its schema's current keys in place of old ones, in all objects in it. */
export function withCurrentKeys(schema: Schema, value: unknown): unknown {
  const renamed = withNames(value, currentNamesOf(schema))
  return optionsFor(schema, renamed).reduce(
    (changed, option) => mapMembers(option, changed, withCurrentKeys),
    renamed,
  )
}

/** The path to a part of `value` with its schema's current keys in place of old ones. */
export function withCurrentPath(schema: Schema, path: readonly Step[], value: unknown): Step[] {
  return currentPath([schema], path, value)
}

function currentPath(schemas: readonly Schema[], [key, ...rest]: readonly Step[], value: unknown): Step[] {
  if (key === undefined) return []
  const names = schemas.map((schema) => currentNamesOf(schema).get(String(key)))
  const current = names.find((name) => name !== undefined) ?? key
  const members = schemas
    .flatMap((schema) => optionsFor(schema, value))
    .flatMap((option) => memberOf(option, current) ?? [])
  const inner = (value as Record<Step, unknown> | null | undefined)?.[current]
  return [current, ...currentPath(members, rest, inner)]
}

/** The current names of a schema's keys by their old ones. */
function currentNamesOf(schema: Schema): ReadonlyMap<string, string> {
  const def = definitionOf(schema)
  if ('innerType' in def) return currentNamesOf(def.innerType)
  return (def.type === 'pipe' && renamedKeys.get(def.in)) || new Map()
}

/** Where both names are there, both stay. */
function withNames(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  if (![...names.keys()].some((old) => hasKey(value, old))) return value
  const currentName = (key: string) => {
    const current = names.get(key)
    return current === undefined || hasKey(value, current) ? key : current
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [currentName(key), item]))
}

const hasKey = (value: unknown, key: string): boolean =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key)
