import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { z } from 'zod'

/** The path of a file or folder, or a pattern of paths, in a config: relative to the config file, or to ~/. */
export const filePath = z.string().min(1, 'expected a path').meta({ format: 'path' })

type Definition = z.core.$ZodTypes['_zod']['def']

/**
 * A config as it was written, with every {@link filePath} of its schema made absolute: relative ones begin at `folder`,
 * those that begin with ~/ at the home folder. What is no path, or of another type than the schema's, stays as it is.
 */
export function resolvePaths(schema: z.core.$ZodType, value: unknown, folder: string): unknown {
  const def = (schema as z.ZodType).def as Definition
  switch (def.type) {
    case 'string':
      return typeof value === 'string' && isFilePath(schema) ? absolute(value, folder) : value
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'readonly':
      return resolvePaths(def.innerType, value, folder)
    case 'union':
      return def.options.reduce((resolved, option) => resolvePaths(option, resolved, folder), value)
    case 'array':
      return Array.isArray(value) ? value.map((item) => resolvePaths(def.element, item, folder)) : value
    case 'object':
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => {
          const member = Object.hasOwn(def.shape, key) ? def.shape[key] : undefined
          return [key, member ? resolvePaths(member, item, folder) : item]
        }),
      )
    default:
      return value
  }
}

const isFilePath = (schema: z.core.$ZodType): boolean => z.globalRegistry.get(schema)?.format === 'path'

/** An empty one is left to the schema to refuse. */
const absolute = (path: string, folder: string): string =>
  path === '' ? path : path.startsWith('~/') ? join(homedir(), path.slice(2)) : resolve(folder, path)
