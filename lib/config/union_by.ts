import { z } from 'zod'
import { namesOption, optionNames } from './schema_tree.js'

/**
 * A union of objects that a key further down tells apart, "model.type" say, where a discriminated union of zod has a key of
 * the objects themselves. Where it is left out, the option counts that has a default for it; where it is none of the
 * options', that alone is wrong.
 */
export function unionBy<const Options extends readonly [z.ZodType, ...z.ZodType[]]>(
  discriminator: readonly string[],
  options: Options,
): z.ZodUnion<Options> {
  return new UnionBy({ type: 'union', options, discriminatorPath: discriminator }) as z.ZodUnion<Options>
}

interface UnionByDef extends z.core.$ZodUnionDef {
  /** As `schema_tree.ts` knows it. */
  readonly discriminatorPath: readonly string[]
}

const UnionBy: z.core.$constructor<z.ZodUnion, UnionByDef> = z.core.$constructor('UnionBy', (union, def) => {
  z.ZodUnion.init(union, def)
  const { options, discriminatorPath } = def as UnionByDef
  const { _zod: internals } = union
  internals.parse = (payload, context) => {
    const { value } = payload
    const named = options.find((option) => namesOption(option, discriminatorPath, value))
    if (named) {
      const { _zod: ofOption } = named
      return ofOption.run(payload, context)
    }
    const given = discriminatorPath.reduce<unknown>(
      (owner, key) => (owner as Record<string, unknown> | null | undefined)?.[key],
      value,
    )
    payload.issues.push({
      code: 'invalid_value',
      values: options.flatMap((option) => optionNames(option, discriminatorPath)) as string[],
      input: given,
      path: [...discriminatorPath],
      inst: union,
    })
    return payload
  }
})
