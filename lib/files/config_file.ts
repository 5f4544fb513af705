import { dirname, extname } from 'node:path'
import { type Node, parseTree } from 'jsonc-parser'
import type { z } from 'zod'
import { resolvePaths } from '../config/paths.js'
import { withCurrentKeys } from '../config/renamed.js'
import { withSetting } from '../config/settings.js'
import { jsonFault } from './json_fault.js'
import { readText } from './text_file.js'

/**
 * Reads a config file as it was written, for `parseConfig`: JSON in which comments and a comma after the last item are
 * allowed. Its paths, which are relative to the file, become relative to the working folder, as those in `settings` of a
 * command line are, which change it: see `withSetting`. Old names of keys become the current ones.
 * @throws Error that names the file, the line and column of what is wrong, and what would be right
 */
export async function readConfig(
  path: string,
  schema: z.ZodType,
  settings: readonly string[] = [],
): Promise<unknown> {
  const text = withoutSchemaKey(parseConfigText(await readText(path), path))
  const written = resolvePaths(schema, withCurrentKeys(schema, text), dirname(path))
  return withSettings(schema, written, settings)
}

/**
 * A config whose paths are relative to the working folder, changed by `settings`: see `withSetting`. Old names of keys
 * become the current ones.
 */
export function withSettings(schema: z.ZodType, config: unknown, settings: readonly string[]): unknown {
  const written = withCurrentKeys(schema, config)
  const changed = settings.reduce((before, setting) => withSetting(before, setting, schema), written)
  return resolvePaths(schema, withCurrentKeys(schema, changed), '.')
}

/** `$schema` tells editors which settings there are. */
function withoutSchemaKey(config: unknown): unknown {
  if (typeof config !== 'object' || config === null || !('$schema' in config)) return config
  const { $schema: _, ...rest } = config
  return rest
}

/** Parses a config's text as {@link readConfig}; `name` begins its errors. */
export function parseConfigText(text: string, name: string): unknown {
  const fault = jsonFault(text, { comments: true })
  if (fault !== undefined) throw new Error(`${name}: not JSON (${fault})${otherFormat(text, name)}`)
  return valueOf(parseTree(text, [], { allowTrailingComma: true })!, text, name)
}

/** A node's value. Throws an Error for a key that an object has twice: one of its values would count for nothing. */
function valueOf(node: Node, text: string, name: string): unknown {
  const children = node.children ?? []
  if (node.type === 'array') return children.map((child) => valueOf(child, text, name))
  if (node.type !== 'object') return node.value
  const values = new Map<string, unknown>()
  for (const { children: pair } of children) {
    const [key, value] = pair as [Node, Node]
    const known = values.has(key.value)
    if (known)
      throw new Error(`${name}: line ${lineAt(text, key.offset)}: the key "${key.value}" is there twice`)
    values.set(key.value, valueOf(value, text, name))
  }
  return Object.fromEntries(values)
}

const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length

/** Says so where a file that is no JSON seems to be of another format. */
function otherFormat(text: string, name: string): string {
  const extension = extname(name).toLowerCase()
  const yaml = ['.yaml', '.yml'].includes(extension) || /^\s*(---|[\w-]+:(\s|$))/.test(text)
  const format = yaml ? 'YAML' : extension === '.toml' ? 'TOML' : undefined
  return format === undefined ? '' : `: it seems to be ${format}, and configs are JSON`
}
