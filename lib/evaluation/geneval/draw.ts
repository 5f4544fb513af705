import { join } from 'node:path'
import { checkArguments, checkOptions } from '../../arguments.js'
import { writeAtomically } from '../../files/atomic_file.js'
import { exists } from '../../files/exists.js'
import { makeFolder } from '../../files/make_folder.js'
import { generateImages } from '../../generation/generate_images.js'
import type { GenerativeModel } from '../../generation/model.js'
import type { ImageGenerationOptions } from '../../generation/options.js'
import { writePng } from '../../image/image_io.js'
import { generationProgress } from '../generation_progress.js'
import { readGenEvalPrompts } from './prompt_file.js'

/** How GenEval's prompts are drawn. */
export interface GenEvalDrawing {
  /** Pictures of each prompt; GenEval's scores are of 4. */
  samples: number
  /** Picture i of all is generated from the seed 1,000,000 seed + i. */
  seed: number
  /** Sampler, steps, guidance: as of a generation. */
  images?: ImageGenerationOptions
  /** Stops the work, which then rejects with the signal's reason; the same call goes on with it. */
  signal?: AbortSignal
  /** Receives a line on the progress every 20 seconds. */
  onMessage?: (line: string) => void
}

const optionKeys = {
  samples: true,
  seed: true,
  images: true,
  signal: true,
  onMessage: true,
} as const satisfies Record<keyof GenEvalDrawing, true>

/** Pictures that are generated, and then written, at a time. */
const picturesAtOnce = 64

/**
 * Draws the prompts of GenEval's evaluation_metadata.jsonl into a folder in its layout: 00000/metadata.jsonl and
 * 00000/samples/0000.png. Pictures that are there already are kept. Returns how many it drew; rejects as `readGenEvalPrompts`
 * and `generateImages`.
 */
export async function drawGenEval(
  model: GenerativeModel,
  promptsFile: string,
  folder: string,
  options: GenEvalDrawing,
): Promise<number> {
  checkArguments('drawGenEval', {
    model: [model, 'model'],
    promptsFile: [promptsFile, 'string'],
    folder: [folder, 'string'],
    options: [options, 'object'],
  })
  checkOptions('drawGenEval', options, optionKeys)
  const { samples, seed, images, signal, onMessage = () => {} } = options
  const prompts = await readGenEvalPrompts(promptsFile)
  const missing: { prompt: string; path: string; seed: number }[] = []
  for (const [i, prompt] of prompts.entries()) {
    const own = join(folder, String(i).padStart(5, '0'))
    await makeFolder(join(own, 'samples'))
    await writeAtomically(join(own, 'metadata.jsonl'), `${JSON.stringify(prompt)}\n`)
    for (let sample = 0; sample < samples; sample++) {
      const path = join(own, 'samples', `${String(sample).padStart(4, '0')}.png`)
      if (await exists(path)) continue
      missing.push({ prompt: prompt.prompt, path, seed: seed * 1_000_000 + i * samples + sample })
    }
  }
  onMessage(`Drawing ${missing.length} pictures of ${prompts.length} prompts ...`)
  const onImage = generationProgress(missing.length, onMessage)
  for (let start = 0; start < missing.length; start += picturesAtOnce) {
    const batch = missing.slice(start, start + picturesAtOnce)
    const drawn = await generateImages(
      model,
      batch.map(({ prompt }) => prompt),
      batch.map((each) => each.seed),
      images,
      { signal, onImage },
    )
    await Promise.all(batch.map(({ path }, i) => writePng(path, drawn[i]!)))
  }
  return missing.length
}
