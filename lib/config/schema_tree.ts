import type { z } from 'zod'

type Schema = z.core.$ZodType
type Definition = z.core.$ZodTypes['_zod']['def']

export const definitionOf = (schema: Schema): Definition => (schema as z.ZodType).def as Definition

/** A schema without what makes it optional or gives its default. */
export function unwrapped(schema: Schema): Schema {
  const def = definitionOf(schema)
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
    case 'readonly':
    case 'catch':
      return unwrapped(def.innerType)
    case 'pipe':
      // z.preprocess turns what is written into what its schema takes.
      return unwrapped(definitionOf(def.in).type === 'transform' ? def.out : def.in)
    default:
      return schema
  }
}

/**
 * The schemas that a value may follow, none of which is a union: a schema itself, or a union's options, of which the one
 * that the value's `type` (the discriminator) names, where it names one.
 */
export function optionsFor(schema: Schema, value: unknown): Schema[] {
  const plain = unwrapped(schema)
  const def = definitionOf(plain)
  if (def.type !== 'union') return [plain]
  const path = discriminatorPathOf(plain)
  const named = path === undefined ? [] : def.options.filter((option) => namesOption(option, path, value))
  return (named.length > 0 ? named : def.options).flatMap((option) => optionsFor(option, value))
}

/** The key that tells a union's options apart; undefined where the schema is no such union. */
export function discriminatorOf(schema: Schema): string | undefined {
  const def = definitionOf(unwrapped(schema)) as { discriminator?: string }
  return def.discriminator
}

/** The keys on the way to what tells a union's options apart: of `unionBy` there may be several. */
function discriminatorPathOf(schema: Schema): readonly string[] | undefined {
  const key = discriminatorOf(schema)
  const def = definitionOf(unwrapped(schema)) as { discriminatorPath?: readonly string[] }
  return key === undefined ? def.discriminatorPath : [key]
}

/** What the options of a union have for its discriminator. */
export function discriminatorsOf(schema: Schema, key: string): unknown[] {
  const def = definitionOf(unwrapped(schema))
  return def.type === 'union' ? def.options.flatMap((option) => optionNames(option, [key])) : []
}

/** What an option of a union has for the discriminator at a path. */
export function optionNames(option: Schema, path: readonly string[]): readonly unknown[] {
  return membersAt(option, path).flatMap((member) => {
    const def = definitionOf(unwrapped(member))
    return def.type === 'literal' ? def.values : []
  })
}

/** Whether an option is the one that a value's discriminator names, or the default where that is left out. */
export function namesOption(option: Schema, path: readonly string[], value: unknown): boolean {
  const given = path.reduce<unknown>(
    (owner, key) => (owner as Record<string, unknown> | null | undefined)?.[key],
    value,
  )
  if (given !== undefined) return optionNames(option, path).includes(given)
  return membersAt(option, path).some((member) => definitionOf(member).type === 'default')
}

/** The schemas of what stands at a path in any value. */
function membersAt(schema: Schema, [key, ...rest]: readonly string[]): Schema[] {
  if (key === undefined) return [schema]
  return optionsFor(schema, undefined).flatMap((option) => {
    const member = memberOf(option, key)
    return member ? membersAt(member, rest) : []
  })
}

/** The schema of what stands under a key, or at an index, of a value; undefined where the schema allows none. */
export function memberOf(schema: Schema, key: PropertyKey): Schema | undefined {
  const def = definitionOf(schema)
  switch (def.type) {
    case 'object':
      return Object.hasOwn(def.shape, key) ? def.shape[String(key)] : undefined
    case 'array':
      return def.element
    case 'record':
      return def.valueType
    case 'tuple':
      return def.items[Number(key)]
    default:
      return undefined
  }
}

/** The schemas of what stands at a path in `value`, those of all options where the schemas on the way are unions. */
export function schemasAt(schema: Schema, path: readonly PropertyKey[], value: unknown): Schema[] {
  const [key, ...rest] = path
  if (key === undefined) return [schema]
  const inner = (value as Record<PropertyKey, unknown> | null | undefined)?.[key]
  return optionsFor(schema, value).flatMap((option) => {
    const member = memberOf(option, key)
    return member ? schemasAt(member, rest, inner) : []
  })
}

/** The keys that a schema allows in an object. */
export function keysOf(schema: Schema): string[] {
  const def = definitionOf(schema)
  return def.type === 'object' ? Object.keys(def.shape) : []
}

/** A value with each member that its schema knows changed by `change`; what has no members stays as it is. */
export function mapMembers(
  schema: Schema,
  value: unknown,
  change: (member: Schema, item: unknown) => unknown,
): unknown {
  const changed = (key: PropertyKey, item: unknown) => {
    const member = memberOf(schema, key)
    return member ? change(member, item) : item
  }
  if (Array.isArray(value)) return value.map((item, i) => changed(i, item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, changed(key, item)]))
}
