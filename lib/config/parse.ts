import type { z } from 'zod'
import { formatValue } from '../describe.js'
import { nearest, suggestion } from '../nearest.js'
import { withCurrentKeys } from './renamed.js'
import { discriminatorOf, discriminatorsOf, keysOf, optionsFor, schemasAt, unwrapped } from './schema_tree.js'

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
  // Issues name current keys.
  const written = withCurrentKeys(schema, value)
  const lines = result.error.issues.flatMap((issue) => describeIssue(issue, schema, written))
  throw new ConfigError(`${what}:\n${lines.map((line) => `  ${line}`).join('\n')}`)
}

function describeIssue(issue: z.core.$ZodIssue, schema: z.ZodType, root: unknown): string[] {
  const deeper = deeperIssues(issue)
  if (deeper) return deeper.flatMap((inner) => describeIssue(inner, schema, root))
  const received = valueAt(root, issue.path)
  if (issue.code === 'unrecognized_keys') {
    const known = schemasAt(schema, issue.path, root).flatMap((one) =>
      optionsFor(one, received).flatMap(keysOf),
    )
    return issue.keys.map((key) => {
      const below = issue.path.length === 0 ? elsewhere(key, known, schema, root) : undefined
      const path = formatPath([...issue.path, key])
      return `${path}: unknown key${below ?? suggestion(key, [...new Set(known)])}`
    })
  }
  const [at] = schemasAt(schema, issue.path, root)
  return [`${formatPath(issue.path)}: ${expectation(issue, received, at)}; received ${formatValue(received)}`]
}

/** Where one option of a union got further into the value than the others, its issues: it was meant. */
function deeperIssues(issue: z.core.$ZodIssue): z.core.$ZodIssue[] | undefined {
  if (issue.code !== 'invalid_union' || !isZods(issue)) return undefined
  const meant = issue.errors.find(
    (option) => option.length > 0 && option.every(({ path }) => path.length > 0),
  )
  return meant?.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }))
}

/** What to say of an unknown key at the top that is known further down. */
function elsewhere(
  key: string,
  known: readonly string[],
  schema: z.ZodType,
  root: unknown,
): string | undefined {
  if (nearest(key, known) !== undefined) return undefined
  const groups = known.filter((group) =>
    schemasAt(schema, [group], root).some((inside) =>
      optionsFor(inside, undefined).some((option) => keysOf(option).includes(key)),
    ),
  )
  if (groups.length === 0) return undefined
  return `; did you mean ${choice([...new Set(groups)].map((group) => `${group}.${key}`))}?`
}

function expectation(issue: z.core.$ZodIssue, received: unknown, schema?: z.core.$ZodType): string {
  // zod's own sentences open with a verdict and close with the kind received; the line around this one says both.
  const sentence = issue.message
    .replace(/^(Invalid input|Invalid option|Too small|Too big): /, '')
    .replace(/, received \S+$/, '')
  if (!isZods(issue)) return sentence
  switch (issue.code) {
    case 'invalid_value':
      return expectedChoice(issue.values, received)
    case 'invalid_type': {
      const key = schema && discriminatorOf(schema)
      if (key !== undefined) return expectedObject(key, discriminatorsOf(schema!, key), received)
      if (issue.expected === 'tuple') return 'expected array'
      const keys = schema && issue.path.length > 0 ? keysOf(unwrapped(schema)) : []
      return keys.length > 0 ? `${sentence} with ${someOf(keys)}` : sentence
    }
    case 'invalid_union': {
      if ('options' in issue && issue.options) {
        const named = issue.options.filter((option) => typeof option === 'string')
        return expectedChoice(named, received)
      }
      const options = issue.errors.map((option) =>
        option.map((inner) => expectation(inner, undefined).replace(/^expected /, '')).join(', '),
      )
      return `expected ${choice([...new Set(options)])}`
    }
    default:
      return sentence
  }
}

/** Whether an issue's message is zod's; one of a schema's own says it better than could be told from the issue. */
const isZods = ({ message }: z.core.$ZodIssue): boolean => message.startsWith('Invalid ')

/** "expected "a", "b" or "c"", the one that was meant first. */
function expectedChoice(values: readonly unknown[], received: unknown): string {
  const expected = choice(values.map(formatValue))
  const match = typeof received === 'string' ? nearest(received, values.map(String)) : undefined
  return match === undefined ? `expected ${expected}` : `did you mean "${match}"? Expected ${expected}`
}

/** For one of several kinds of objects that its name alone, or nothing, stands for. */
function expectedObject(key: string, values: readonly unknown[], received: unknown): string {
  const match = typeof received === 'string' ? nearest(received, values.map(String)) : undefined
  const named = match === undefined ? choice(values.map(formatValue)) : formatValue(match)
  return `expected object with "${key}": ${named}`
}

/** The keys that an object may have, the first of many. */
const someOf = (keys: readonly string[]): string =>
  keys.length > 8 ? `${keys.slice(0, 8).join(', ')} and others` : keys.join(', ')

const choice = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`

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
