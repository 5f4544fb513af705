import { join } from 'node:path'
import { expect, it } from 'vitest'
import {
  readSafetensors,
  type SafetensorsTensor,
  writeSafetensors,
} from '../../../../lib/files/safetensors/safetensors.js'
import { Transfusion } from '../../../../lib/transfusion.js'
import { temporaryFolder } from '../../../temporary_folder.js'
import { trainedConfig, tokenizer } from '../../../training/synthetic_dataset.js'
import { tinyUNet } from '../tiny_model.js'

/** The names that weights of a U-Net had, by those that they have. */
const oldNames: readonly [current: string, old: string][] = [
  ['patch_encoder.down.downsample.0.', 'patch_encoder.down.smaller.0.'],
  ['patch_decoder.up.upsample.0.', 'patch_decoder.up.larger.0.'],
  ['patch_decoder.pooled_context.', 'patch_decoder.whole.'],
]

it('reads weights by the names that they had in earlier builds', async () => {
  const folder = join(await temporaryFolder(), 'model')
  const { vocabulary: _, tokens: __, ...sizes } = trainedConfig
  const image = { ...sizes.image, unet: tinyUNet }
  using model = Transfusion.create({ ...sizes, image }, tokenizer, { seed: 7 })
  await model.save(folder)
  const path = join(folder, 'model.safetensors')
  const { tensors } = await readSafetensors(path)
  const renamed = new Map<string, SafetensorsTensor>()
  for (const [name, tensor] of tensors) {
    const found = oldNames.find(([current]) => name.startsWith(current))
    renamed.set(found ? name.replace(...found) : name, tensor)
  }
  const had = [...renamed.keys()].filter((name) => !tensors.has(name))
  expect(had).toHaveLength(6)
  await writeSafetensors(path, renamed)
  using loaded = await Transfusion.load(folder, { verify: false })
  expect(await loaded.network.arena.values.readFloats()).toEqual(
    await model.network.arena.values.readFloats(),
  )
})
