import { diffusionTargets, objectiveSchema } from '../../../lib/diffusion/objective.js'
import { cosineSchedule } from '../../../lib/diffusion/schedule.js'
import type { Image } from '../../../lib/image/image.js'
import type { TransfusionOptions } from '../../../lib/models/transfusion/config.js'
import type { TrainingBatch } from '../../../lib/models/transfusion/training/loss.js'
import { TransfusionNetwork } from '../../../lib/models/transfusion/model.js'
import { joinValues } from '../../../lib/image/codec.js'
import { bytesToFloats } from '../../../lib/image/pixels.js'
import type { EncodedPart } from '../../../lib/sequence/image_parts.js'
import type { ComputeType } from '../../../lib/nn/arena.js'
import { randomSeeds } from '../../../lib/random.js'
import type { DocumentParts } from '../../../lib/sequence/document.js'
import { packDocuments } from '../../sequence/pack_documents.js'
import { generator } from '../../host_array.js'

export const tokens = { bos: 1, end: 2, boi: 3, eoi: 4 }

export const tinyConfig = {
  vocabulary: 12,
  tokens,
  layers: 2,
  channels: 32,
  heads: 2,
  feedForward: 48,
  image: { channels: 1, patch: 2, height: 4, width: 6 },
} as const satisfies TransfusionOptions

/** Two levels, so that there are skip connections; for patches of 2 pixels. */
export const tinyUNet = { channels: [8, 16], blocks: 2, heads: 2, stem: 1 }

/**
 * A network whose every weight matters: the initial values moved at random, so that no zero of the initialisation
 * hides a gradient and no two norms are alike.
 */
export async function perturbedNetwork(
  options: TransfusionOptions = tinyConfig,
  compute: ComputeType = 'f32',
  seed = 1,
): Promise<TransfusionNetwork> {
  const network = new TransfusionNetwork(options, compute)
  network.arena.initialize(seed)
  const next = generator(seed)
  for (const parameter of network.arena.parameters) {
    using values = network.arena.valuesOf(parameter)
    values.write((await values.readFloats()).map((value) => value + 0.2 * (2 * next() - 1)))
  }
  network.arena.updated()
  return network
}

export function testImage(height: number, width: number, seed: number): Image {
  const next = generator(seed)
  return {
    height,
    width,
    channels: 1,
    data: Uint8Array.from({ length: height * width }, () => Math.floor(next() * 256)),
  }
}

export const testImagePart = (height: number, width: number, seed: number): EncodedPart => ({
  type: 'image',
  height,
  width,
  values: bytesToFloats(testImage(height, width, seed).data),
})

/** Packs documents with noised images: of image i, t = 100 + 300 i, noise from seed i. */
export function trainingBatch(documents: readonly DocumentParts<EncodedPart>[]): TrainingBatch {
  const packed = packDocuments(documents, { patch: tinyConfig.image.patch, tokens })
  const t = packed.images.map((_, i) => (100 + 300 * i) % 1000)
  return {
    packed,
    values: joinValues(packed.images),
    targets: diffusionTargets(cosineSchedule(), objectiveSchema.parse({}), t),
    seeds: randomSeeds(5, 'noise', 0, packed.images.length),
  }
}
