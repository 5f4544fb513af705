// Writes docs/config.md and the JSON Schemas in schema/ from the schemas of configs and the docstrings in them.
//   node scripts/generate-config.mjs            writes the files that changed (after `npm run build:ts`)
//   node scripts/generate-config.mjs --check    fails when one is not current
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { register } from 'node:module'
import { join } from 'node:path'
import * as prettier from 'prettier'
import { z } from 'zod'
import { configPage } from './config-page.mjs'
import { Failure, main, root } from './run.mjs'

register('./docstring-hooks.mjs', import.meta.url)
const built = (path) => import(new URL(`../dist/${path}`, import.meta.url))
const { trainConfigSchema } = await built('run/train_config.js')
const { evaluateConfigSchema } = await built('evaluation/tasks/evaluate_config.js')
const { samplersConfigSchema } = await built('evaluation/tasks/samplers_config.js')
const presets = await built('models/transfusion/presets.js')
const { feedForwardOf } = await built('models/transfusion/config.js')
const { transfusionParameters } = await built('models/transfusion/model.js')
const { autoencoderPresets } = await built('models/autoencoder/presets.js')
const { downscaleOf } = await built('models/autoencoder/config.js')
const { autoencoderParameters } = await built('models/autoencoder/network.js')

const configs = [
  { name: 'train', title: 'The config of `transfusion train`', schema: trainConfigSchema },
  { name: 'eval', title: 'The config of `transfusion eval`', schema: evaluateConfigSchema },
  { name: 'samplers', title: 'The config of `transfusion samplers`', schema: samplersConfigSchema },
]

/** As editors read it, with what `readConfig` allows besides. */
function jsonSchema({ title, schema }) {
  const { $schema, ...rest } = z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-7',
    override: ({ jsonSchema }) => {
      // What every integer of zod has.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
    },
  })
  const head = { $schema, title: title.replaceAll('`', ''), allowTrailingCommas: true }
  const forEditors = (object) => ({
    ...object,
    properties: {
      $schema: { type: 'string', description: 'This schema, for editors.' },
      ...object.properties,
    },
  })
  return rest.anyOf
    ? { ...head, ...rest, anyOf: rest.anyOf.map(forEditors) }
    : { ...head, ...forEditors(rest) }
}

const countOf = (parameters) =>
  parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)

/** The presets with their sizes, and the parameters that they have with the paper's vocabulary and images. */
const presetRows = Object.entries(presets.presets).map(([name, sizes]) => {
  const parameters = transfusionParameters({
    ...sizes,
    ...presets.paperVocabulary,
    image: presets.paperImages,
  })
  return { name, ...sizes, feedForward: feedForwardOf(sizes), count: countOf(parameters) }
})

/** Those of autoencoders. */
const autoencoderRows = Object.entries(autoencoderPresets).map(([name, { image, ...sizes }]) => {
  const side = image.width / downscaleOf(sizes)
  return {
    name,
    image,
    ...sizes,
    latent: `${side} x ${side} x ${sizes.latentChannels}`,
    count: countOf(autoencoderParameters(sizes)),
  }
})

const style = await prettier.resolveConfig(join(root, 'package.json'))

await main(async () => {
  const described = configs.map((config) => ({ ...config, json: jsonSchema(config) }))
  const files = [
    ...described.map(({ name, json }) => [`schema/${name}.json`, JSON.stringify(json)]),
    ['docs/config.md', configPage(described, presetRows, autoencoderRows)],
  ]
  mkdirSync(join(root, 'schema'), { recursive: true })
  for (const [path, raw] of files) {
    const text = await prettier.format(raw, { ...style, filepath: path })
    const target = join(root, path)
    if (existsSync(target) && readFileSync(target, 'utf8') === text) continue
    if (process.argv.includes('--check'))
      throw new Failure(
        'the-reference-of-configs',
        `${path} is not current: npm run docs:config makes it anew`,
      )
    writeFileSync(target, text)
  }
})
