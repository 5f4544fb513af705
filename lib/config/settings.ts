import type { z } from 'zod'
import { type Step, withCurrentPath } from './renamed.js'

/**
 * A config as it was written with one setting changed: "training.steps=50", "data.sources[0].path=photos". The value is
 * JSON, and text where it is none; null takes the setting away, so that its default counts. Objects on the way are made;
 * whether the setting exists is for `schema` to say when the config is parsed, which here tells the current names of keys
 * alone. Throws an Error that begins with the setting.
 */
export function withSetting(config: unknown, setting: string, schema: z.core.$ZodType): unknown {
  const [, path, text] = /^([^=]+)=([^]*)$/.exec(setting) ?? []
  const fail = (fault: string): never => {
    throw new Error(`--set ${setting}: ${fault}`)
  }
  if (path === undefined || text === undefined)
    return fail('expected a setting and its value: training.steps=50')
  const steps = stepsOf(path.trim())
  if (!steps) return fail(`${path} is no setting; expected names like training.steps or data.sources[0].path`)
  return changed(config, withCurrentPath(schema, steps, config), valueOf(text), fail)
}

/** "a.b[0].c" or "a.b.0.c" as its steps; undefined where it is neither. */
function stepsOf(path: string): Step[] | undefined {
  const names = path.replace(/\[(\d+)\]/g, '.$1').split('.')
  if (names.some((name) => !/^[$\w-]+$/.test(name))) return undefined
  return names.map((name) => (/^\d+$/.test(name) ? Number(name) : name))
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function changed(
  owner: unknown,
  [step, ...rest]: readonly Step[],
  value: unknown,
  fail: (fault: string) => never,
): unknown {
  if (step === undefined) return value
  if (Array.isArray(owner)) {
    if (typeof step !== 'number' || step >= owner.length)
      return fail(`"${step}" is none of the list's ${owner.length} items, which are counted from 0`)
    const item = changed(owner[step], rest, value, fail)
    return item === null ? owner.toSpliced(step, 1) : owner.with(step, item)
  }
  if (typeof step === 'number') return fail(`[${step}] is an item of a list, and there is none`)
  const members = typeof owner === 'object' && owner !== null ? Object.entries(owner) : []
  const before = members.find(([key]) => key === step)?.[1] as unknown
  const item = changed(before, rest, value, fail)
  const others = members.filter(([key]) => key !== step)
  return Object.fromEntries(item === null ? others : [...others, [step, item]])
}
