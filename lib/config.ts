import type { z } from 'zod'
import { nearest, suggestion } from './nearest.js'

/** A configuration that its schema refuses; the message lists every problem, one line each. */
export class ConfigError extends Error {
  /** For `error.name`, and in the stack. */
  override readonly name = 'ConfigError'
}

/**
 * Checks `value` against `schema` and returns it with the schema's defaults filled in.
 * Build objects with `z.strictObject`, so that an unknown key is an error: it is reported with the nearest
 * right name. `what` names the value in the message ("training config runs/a.json").
 * @throws ConfigError with, for each problem, the path, what was received and what would be right.
 */
export function parseConfig<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
): z.output<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const lines = result.error.issues.flatMap((issue) => describeIssue(issue, schema, value))
  throw new ConfigError(`${what}:\n${lines.map((line) => `  ${line}`).join('\n')}`)
}

function describeIssue(issue: z.core.$ZodIssue, schema: z.ZodType, root: unknown): string[] {
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, issue.path)
    return issue.keys.map(
      (key) => `${formatPath([...issue.path, key])}: unknown key${suggestion(key, known)}`,
    )
  }
  const received = valueAt(root, issue.path)
  return [`${formatPath(issue.path)}: ${expectation(issue, received)}; received ${formatValue(received)}`]
}

function expectation(issue: z.core.$ZodIssue, received: unknown): string {
  if (issue.code === 'invalid_value' && typeof received === 'string') {
    const match = nearest(received, issue.values.map(String))
    if (match !== undefined)
      return `did you mean "${match}"? Expected ${issue.values.map(formatValue).join(' or ')}`
  }
  // A message of the schema's own says it better than the branches do.
  if (issue.code === 'invalid_union' && issue.message === 'Invalid input') {
    const branches = issue.errors.map((branch) =>
      branch.map((inner) => expectation(inner, undefined)).join(', '),
    )
    if (branches.length > 0) return [...new Set(branches)].join(' or ')
  }
  // zod's own sentences open with a verdict and close with the kind received; the line around this one says both.
  return issue.message
    .replace(/^(Invalid input|Invalid option|Too small|Too big): /, '')
    .replace(/, received \S+$/, '')
}

type Definition = z.core.$ZodTypes['_zod']['def']

/** The keys that the schema allows at a path; those of every branch where the schema there is a union. */
function knownKeys(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  const def = (schema as z.ZodType).def as Definition
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
    case 'readonly':
    case 'catch':
      return knownKeys(def.innerType, path)
    case 'pipe':
      return knownKeys(def.in, path)
    case 'union':
      return [...new Set(def.options.flatMap((option) => knownKeys(option, path)))]
    case 'array':
      return path.length > 0 ? knownKeys(def.element, path.slice(1)) : []
    case 'record':
      return path.length > 0 ? knownKeys(def.valueType, path.slice(1)) : []
    case 'object': {
      if (path.length === 0) return Object.keys(def.shape)
      const member = def.shape[String(path[0])]
      return member === undefined ? [] : knownKeys(member, path.slice(1))
    }
    default:
      return []
  }
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key],
    root,
  )
}

function formatPath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return '(whole value)'
  return path
    .map((key, i) => (typeof key === 'number' ? `[${key}]` : (i > 0 ? '.' : '') + String(key)))
    .join('')
}

const LONGEST_VALUE = 80

const MOST_KEYS = 10

/** The keys of an object as messages show them, the first of many. */
export function formatKeys(object: object): string {
  const keys = Object.keys(object)
  const shown = keys.slice(0, MOST_KEYS).map(formatValue).join(', ')
  return keys.length > MOST_KEYS ? `${shown} and ${keys.length - MOST_KEYS} more` : shown
}

/** A value as messages show it: JSON, cut where it is long. */
export function formatValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'number') return String(value)
  const text = JSON.stringify(value) ?? String(value)
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}...` : text
}
