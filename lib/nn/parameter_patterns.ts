import { minimatch } from 'minimatch'
import { z } from 'zod'
import { ConfigError } from '../config/parse.js'
import { suggestion } from '../nearest.js'

/** Names of parameters, or globs of them: `*` stands for any characters, dots too. */
export const patternsSchema = z.array(z.string().min(1)).min(1)

/** Whether a name is that of a pattern, or one of those that its wildcards stand for. */
export const matchesPattern = (name: string, pattern: string): boolean =>
  name === pattern || minimatch(name, pattern, { nonegate: true, nocomment: true, dot: true })

/**
 * Those of the names that a pattern has. `where`: what the patterns are in messages.
 * @throws ConfigError that names a pattern which has none of them
 */
export function matchingNames(
  names: readonly string[],
  patterns: readonly string[],
  where: string,
): ReadonlySet<string> {
  const found = new Set<string>()
  for (const pattern of patterns) {
    const matching = names.filter((name) => matchesPattern(name, pattern))
    if (matching.length === 0)
      throw new ConfigError(
        `${where}: no parameter is "${pattern}"${suggestion(pattern, similarPatterns(pattern, names))}`,
      )
    for (const name of matching) found.add(name)
  }
  return found
}

/** Patterns that a pattern may have meant: a model has as many names of each kind as layers, so numbers become wildcards. */
function similarPatterns(pattern: string, names: readonly string[]): string[] {
  const depth = pattern.split('.').length - 1
  const similar = names.map((name) => {
    const parts = name.replaceAll(/\.\d+(?=\.)/g, '.*').split('.')
    return (pattern.endsWith('*') ? [...parts.slice(0, depth), '*'] : parts).join('.')
  })
  return [...new Set(similar)]
}
