import { Command } from 'commander'
import type { GenerationOptions } from '../generation/options.js'
import { Transfusion } from '../transfusion.js'
import { addTextOptions, type GenerationFlags, generationOptionsOf } from './options/generation.js'
import { onInterrupt, sharedSignal } from './terminal/interrupt.js'
import { addLoadOptions, type LoadFlags, loadOptionsOf } from './options/shared.js'

/** Files that are described together. */
const atOnce = 16

/** Options of the command line. */
export interface CaptionFlags extends GenerationFlags, LoadFlags {
  json?: true
}

export function captionCommand(): Command {
  const command = new Command('caption')
    .description('describe images')
    .argument('<model>', 'the model folder')
    .argument('<images...>', 'image files of any size')
    .option('--json', 'one JSON object for each file, {"file", "caption"} or {"file", "error"}')
  return addTextOptions(addLoadOptions(command), { maxTokens: 64, seed: 0 })
    .addHelpText(
      'after',
      '\nWrites a line for each file, in their order: its name, a tab and what the model writes after the image. A file that\n' +
        'cannot be read is named on standard error; the others are described all the same, and the exit code is 1.\n' +
        '\nExamples:\n' +
        '  transfusion caption runs/demo/model shoe.jpg bag.png\n' +
        '  transfusion caption runs/train/model photos/*.jpg --json > captions.jsonl',
    )
    .action(caption)
}

/** `transfusion caption MODEL IMAGE...`: a line for each file. */
export async function caption(folder: string, files: readonly string[], flags: CaptionFlags): Promise<void> {
  const wanted = { ...generationOptionsOf(flags), maxImages: 0 }
  using interrupt = onInterrupt('Stopping. Press Ctrl-C again to leave at once.')
  using model = await Transfusion.load(folder, loadOptionsOf(flags))
  const { signal, fail } = sharedSignal(interrupt.signal)
  const options = { ...wanted, signal }
  const coming: Promise<Described>[] = []
  let unread = 0
  try {
    for (const i of files.keys()) {
      for (const file of files.slice(coming.length, i + atOnce)) {
        const described = describeFile(model, file, options)
        // Its error is thrown where it is awaited.
        described.catch(() => {})
        coming.push(described)
      }
      const described = await coming[i]!
      report(files[i]!, described, flags.json)
      if ('error' in described) unread++
    }
    if (unread > 0 && files.length > 1 && !flags.json)
      process.stderr.write(`transfusion: ${unread} of ${files.length} images could not be read; see above\n`)
  } catch (error) {
    fail(error)
    await Promise.allSettled(coming)
    throw error
  }
}

type Described = { caption: string } | { error: string }

async function describeFile(
  model: Transfusion,
  file: string,
  options: GenerationOptions,
): Promise<Described> {
  // What fails later, an option out of range say, is no fault of the file.
  let image
  try {
    image = await model.readImage(file)
  } catch (error) {
    return { error: (error as Error).message }
  }
  let text = ''
  for await (const event of model.generate([image], options)) if (event.type === 'text') text += event.text
  return { caption: text.trim() }
}

function report(file: string, described: Described, json: boolean | undefined): void {
  if ('error' in described) process.exitCode = 1
  if (json) process.stdout.write(`${JSON.stringify({ file, ...described })}\n`)
  else if ('error' in described) process.stderr.write(`transfusion: ${described.error}\n`)
  else process.stdout.write(`${file}\t${oneLine(described.caption)}\n`)
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ')
