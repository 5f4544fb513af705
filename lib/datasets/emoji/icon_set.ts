import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { parseConfig } from '../../config/parse.js'
import { readJson } from '../../files/json_file.js'

/** Of icons.json: Iconify's format, as far as emoji use it. */
const iconsSchema = z.object({
  icons: z.record(
    z.string(),
    z.object({ body: z.string(), width: z.number().optional(), height: z.number().optional() }),
  ),
  width: z.number().default(16),
  height: z.number().default(16),
})

/** Of chars.json: code points in hexadecimal, joined by "-", with the icon's name. */
const charsSchema = z.record(z.string(), z.string())

/** Of metadata.json: the names in each group. */
const metadataSchema = z.object({ categories: z.record(z.string(), z.array(z.string())) })

/** Asks for a presentation in colour; sets do not agree on where to write it. */
const variationSelector = /-fe0f\b/g

/** Pixels that an SVG is drawn at, or more; smaller pictures are made of these, in all sets alike. */
const leastDrawn = 128

/** An icon set of Iconify's, read from its npm package. */
export class IconSet {
  readonly #icons: z.output<typeof iconsSchema>
  /** The icon of each character: code points in hexadecimal joined by "-", variation selectors left out. */
  readonly characters: ReadonlyMap<string, string>
  /** The group of each icon that is in one. */
  readonly groups: ReadonlyMap<string, string>

  private constructor(
    icons: z.output<typeof iconsSchema>,
    characters: z.output<typeof charsSchema>,
    { categories }: z.output<typeof metadataSchema>,
  ) {
    this.#icons = icons
    this.characters = new Map(
      Object.entries(characters).map(([points, icon]) => [points.replace(variationSelector, ''), icon]),
    )
    this.groups = new Map(
      Object.entries(categories).flatMap(([group, names]) => names.map((name) => [name, group] as const)),
    )
  }

  /** Reads the files of an installed package. Rejects with an Error that names what is missing or malformed. */
  static async open(packageName: string): Promise<IconSet> {
    const folder = packageFolder(packageName)
    const read = async <Schema extends z.ZodType>(file: string, schema: Schema) => {
      const path = join(folder, file)
      return parseConfig(schema, await readJson(path), path)
    }
    return new IconSet(
      ...(await Promise.all([
        read('icons.json', iconsSchema),
        read('chars.json', charsSchema),
        read('metadata.json', metadataSchema),
      ])),
    )
  }

  /** Whether the set has an icon of this name, drawn for its own sake: not another's alias. */
  has(icon: string): boolean {
    return icon in this.#icons.icons
  }

  /** An icon as a square SVG file of 128 pixels, or `side` if that is more. Throws a RangeError where the set has none of this name. */
  svg(icon: string, side = leastDrawn): Buffer {
    const found = this.#icons.icons[icon]
    if (found === undefined)
      throw new RangeError(`IconSet.svg: icon must be one that the set has, received ${JSON.stringify(icon)}`)
    const { body, width = this.#icons.width, height = this.#icons.height } = found
    const drawn = Math.max(side, leastDrawn)
    return Buffer.from(
      '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ' +
        `width="${drawn}" height="${drawn}" viewBox="0 0 ${width} ${height}">${body}</svg>`,
    )
  }
}

function packageFolder(packageName: string): string {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${packageName}/package.json`))
  } catch (cause) {
    throw new Error(
      `emoji: the npm package '${packageName}' is not installed.\n` +
        `Install it with\n  npm install --no-save ${packageName}`,
      { cause },
    )
  }
}
