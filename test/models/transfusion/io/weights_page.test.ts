import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { transfusionParameters } from '../../../../lib/models/transfusion/model.js'
import { tinyConfig, tinyUNet } from '../tiny_model.js'

const page = readFileSync(new URL('../../../../docs/weights.md', import.meta.url), 'utf8')
/** `a.weight`, `.bias` names both. */
const named = [...page.matchAll(/^\| `([^`]+?)`(?:, `(\.bias)`)? *\|/gm)].flatMap(([, name, bias]) =>
  bias ? [name!, name!.replace(/\.weight$/, bias)] : [name!],
)

it.each([
  ['without a U-Net', tinyConfig],
  ['with one', { ...tinyConfig, image: { ...tinyConfig.image, unet: tinyUNet } }],
])('docs/weights.md names every weight of a model %s', (_what, config) => {
  for (const { name } of transfusionParameters(config)) {
    const pattern = name.replace(/\.\d+\./g, '.N.')
    const [, level, inside] = /^(.+\.levels\.N)\.(.+)$/.exec(pattern) ?? []
    for (const part of level ? [`${level}...`, inside!] : [pattern]) expect(named).toContain(part)
  }
})
