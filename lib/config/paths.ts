import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { z } from 'zod'
import { mapMembers, optionsFor } from './schema_tree.js'

/** The path of a file or folder, or a pattern of paths, in a config: relative to the config file, or to ~/. */
export const filePath = z
  .string()
  .min(1, 'expected a path')
  .regex(/^(?!\w[\w+.-]*:\/\/)/, 'expected the path of a file or folder of this machine: nothing is fetched')
  .meta({ format: 'path' })

/**
 * A config with the {@link filePath}s of its schema relative to the working folder: those in it are relative to `folder`,
 * or absolute, or begin with ~/. What is no path, or of another type than the schema's, stays as it is.
 */
export function resolvePaths(schema: z.core.$ZodType, value: unknown, folder: string): unknown {
  return optionsFor(schema, value).reduce((resolved, option) => resolveIn(option, resolved, folder), value)
}

function resolveIn(schema: z.core.$ZodType, value: unknown, folder: string): unknown {
  if (typeof value === 'string') return isFilePath(schema) ? fromWorkingFolder(value, folder) : value
  return mapMembers(schema, value, (member, item) => resolvePaths(member, item, folder))
}

const isFilePath = (schema: z.core.$ZodType): boolean => z.globalRegistry.get(schema)?.format === 'path'

/** An empty one and a URL are left to the schema to refuse. */
function fromWorkingFolder(path: string, folder: string): string {
  if (path.startsWith('~/')) return join(homedir(), path.slice(2))
  return path === '' || isAbsolute(path) || path.includes('://') ? path : join(folder, path)
}
