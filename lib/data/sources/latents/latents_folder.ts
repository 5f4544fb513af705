/**
 * A folder of encoded images, as `transfusion encode` writes it: shards of latents in safetensors, the documents that they are
 * in beside each as JSON Lines, and `latents.json`, which tells what they are and how far the encoding has come.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { parseConfig } from '../../../config/parse.js'
import { readJson, writeJson } from '../../../files/json_file.js'
import { imagePreprocessingSchema } from '../../../image/image_preprocessing.js'
import { latentStatisticsSchema } from '../../../image/latent_statistics.js'

const count = z.int().min(0)

const latentsIndexSchema = z.strictObject({
  format: z.literal('transfusion latents', {
    error: 'expected "transfusion latents", as transfusion encode writes it',
  }),
  /** Checksums of the autoencoder's files, by their names. */
  autoencoder: z.record(z.string(), z.string()),
  /** Of each position. */
  channels: z.int().positive(),
  /** Pixels for each position along each side. */
  downscale: z.int().positive(),
  /** How images were decoded. */
  preprocessing: imagePreprocessingSchema,
  /** The data that was encoded, as its config has it. */
  data: z.unknown(),
  /** Of the latents of all images so far, as the autoencoder gives them, which is how they are stored. */
  statistics: latentStatisticsSchema,
  /** Whether all of the data is encoded. */
  complete: z.boolean(),
  /** Documents that were read, those that were left out among them. */
  read: count,
  /** Documents of each shard, in order. */
  shards: z.array(z.strictObject({ documents: count, images: count })),
})

/** What `latents.json` says. */
export type LatentsIndex = z.output<typeof latentsIndexSchema>

/** The name of the index in its folder. */
const latentsIndexFile = 'latents.json'

/** Paths of a shard's files. */
export const shardPaths = (folder: string, shard: number) => {
  const stem = join(folder, `latents-${String(shard).padStart(5, '0')}`)
  return { documents: `${stem}.jsonl`, latents: `${stem}.safetensors` }
}

/** Names of an image's tensors in a shard. */
export const latentNames = (image: number) => ({
  mean: `mean.${image}`,
  logVariance: `log_variance.${image}`,
})

/** A line of a shard's documents: texts, and images by their number in the shard. */
export const latentDocumentSchema = z.strictObject({
  name: z.string(),
  parts: z.array(z.union([z.string().min(1), z.strictObject({ latent: count })])).min(1),
})

/** A document of a shard, as its line says. */
export type LatentDocument = z.output<typeof latentDocumentSchema>

/** The index of a folder. Throws an Error that names what is wrong where it is missing or malformed. */
export async function readLatentsIndex(folder: string): Promise<LatentsIndex> {
  const index = await readLatentsProgress(folder)
  if (!index)
    throw new Error(
      `${join(folder, latentsIndexFile)}: no such file; a folder of latents is written by transfusion encode`,
    )
  return index
}

/** The index of a folder, or undefined where the folder is new. Throws as `readLatentsIndex` where it is malformed. */
export async function readLatentsProgress(folder: string): Promise<LatentsIndex | undefined> {
  const path = join(folder, latentsIndexFile)
  const json = await readJson(path, null)
  return json === null ? undefined : parseConfig(latentsIndexSchema, json, path)
}

/** Writes the index, whole or not at all. */
export const writeLatentsIndex = (folder: string, index: LatentsIndex): Promise<void> =>
  writeJson(join(folder, latentsIndexFile), index)
