import { Command, Option } from 'commander'
import { Readable } from 'node:stream'
import type { ChatMessage } from '../generation/chat.js'
import type { GenerationEvent } from '../generation/events.js'
import { Transfusion } from '../transfusion.js'
import {
  addImageOptions,
  addTextOptions,
  randomSeed,
  type GenerationFlags,
  generationOptionsOf,
} from './options/generation.js'
import { onInterrupt, sharedSignal } from './terminal/interrupt.js'
import { addLoadOptions, type LoadFlags, loadOptionsOf, numberOption, showOption } from './options/shared.js'
import { PictureFolder } from '../image/picture_folder.js'
import { parsePrompt, readPromptImages } from '../generation/conversation/prompt_syntax.js'
import { eventJson, savePictures, type SavedEvent } from '../generation/saved_events.js'
import { detectProtocol, type ImageProtocol } from './terminal/image.js'
import { TerminalWriter } from './terminal/writer.js'
import { unknownWordsOf } from '../generation/unknown_words.js'

/** Options of the command line. */
export interface SampleFlags extends GenerationFlags, LoadFlags {
  count: number
  out: string
  chat?: true
  system?: string
  json?: true
  show?: ImageProtocol
}

export function sampleCommand(): Command {
  const command = new Command('sample')
    .description('continue a prompt of text and images with text and images')
    .argument('<model>', 'the model folder')
    .argument('[prompt...]', 'texts and images in any order: @FILE is an image, @@ begins a text with @')
    .option('--out <folder>', 'where images go, numbered on from those that are there', 'samples')
    .addOption(numberOption('--count <number>', 'answers, from consecutive seeds').default(1))
    .option('--chat', "the prompt is a message of the user, for the model's chat template")
    .option('--system <text>', 'with --chat, how the model is to answer')
    .option('--json', 'one JSON object for each event, and nothing else, on standard output')
    .addOption(showOption())
  addTextOptions(addLoadOptions(command)).addOption(
    new Option('--start-with <what>', 'image: generate one after the prompt, whatever the model would do')
      .choices(['text', 'image'])
      .default('text')
      .helpGroup('Images:'),
  )
  return addImageOptions(command)
    .addHelpText(
      'after',
      '\nText goes to standard output as it is written, names of images to standard error. Events of --json are "text",\n' +
        '"image-start", "preview" and "image" with the file, and "done" with the reason, usage and times in milliseconds.\n' +
        '\nExamples:\n' +
        '  transfusion sample runs/demo/model "an ankle boot" --guidance 1.5 --sampler ddim --steps 50 --count 4\n' +
        '  transfusion sample runs/train/model "A cat:" @cat.jpg "and the same cat at night:" --start-with image\n' +
        '  transfusion sample runs/train/model "Once upon a time" --temperature 0.8 --top-p 0.95 --stop "The end"\n' +
        '  transfusion sample runs/demo/model "a bag" --json | jq -r \'select(.type == "image").file\'',
    )
    .action(sample)
}

/** `transfusion sample MODEL [PROMPT...]`: answers from consecutive seeds, computed together. */
export async function sample(folder: string, words: readonly string[], flags: SampleFlags): Promise<void> {
  const { count, out, json } = flags
  if (!Number.isInteger(count) || count < 1)
    throw new RangeError(`--count: expected a positive integer, received ${count}`)
  const { seed = randomSeed(), ...options } = generationOptionsOf(flags)
  if (flags.system !== undefined && !flags.chat) throw new Error('--system: is of use with --chat')
  using interrupt = onInterrupt('Stopping. Press Ctrl-C again to leave at once.')
  const pictures = await PictureFolder.open(out)
  using model = await Transfusion.load(folder, loadOptionsOf(flags))
  const typed = await readPromptImages(parsePrompt(words), (path) => model.readImage(path))
  const unknown = await unknownWordsOf(model.tokenizer, typed)
  if (unknown !== undefined) process.stderr.write(`transfusion: ${unknown}\n`)
  const prompt = flags.chat ? chatPrompt(typed, flags.system) : typed
  const protocol = json ? 'none' : (flags.show ?? detectProtocol(process.stdout))

  const { signal, fail } = sharedSignal(interrupt.signal)
  const answers = Array.from({ length: count }, (_, i) => {
    const events = model.generate(prompt, { ...options, seed: seed + i, signal })
    return { seed: seed + i, events: savePictures(events, pictures, protocol === 'none') }
  })
  try {
    const showSeeds = count > 1 || flags.seed === undefined
    await (json ? writeJson(answers) : writeInTurn(answers, protocol, showSeeds))
  } catch (error) {
    fail(error)
    await Promise.allSettled(answers.map(({ events }) => events.return()))
    throw error
  }
}

const chatPrompt = (content: ChatMessage['content'], system: string | undefined): ChatMessage[] => [
  ...(system === undefined ? [] : [{ role: 'system', content: system }]),
  { role: 'user', content },
]

interface Answer {
  seed: number
  events: AsyncGenerator<SavedEvent, void, undefined>
}

/** Writes each event as it comes, with the seed of its answer. */
async function writeJson(answers: readonly Answer[]): Promise<void> {
  await Promise.all(
    answers.map(async ({ seed, events }) => {
      for await (const event of events)
        process.stdout.write(`${JSON.stringify({ seed, ...eventJson(event) })}\n`)
    }),
  )
}

/** Writes one answer after the other: the first as it comes, the events of those after it buffered until then. */
async function writeInTurn(
  answers: readonly Answer[],
  protocol: ImageProtocol,
  showSeeds: boolean,
): Promise<void> {
  const writer = new TerminalWriter({ out: process.stdout, notes: process.stderr, protocol })
  const coming = answers.map(({ seed, events }) => ({ seed, events: readAhead(events) }))
  for (const { seed, events } of coming) {
    if (showSeeds) writer.note(`seed ${seed}:`)
    for await (const event of events) {
      await writer.write(event)
      if (event.type === 'done') writer.note(summary(event))
    }
  }
}

/** Reads the source from now on, and buffers its items until they are read. */
function readAhead<Item>(source: AsyncIterable<Item>): AsyncIterable<Item> {
  const stream = Readable.from(source, { highWaterMark: Number.MAX_SAFE_INTEGER })
  // An error is thrown where the stream is read.
  stream.on('error', () => {})
  stream.read(0)
  return stream as AsyncIterable<Item>
}

function summary({ reason, usage, timings }: Extract<GenerationEvent, { type: 'done' }>): string {
  const { textTokens, images } = usage
  const made = [`${textTokens} tokens`, `${images} ${images === 1 ? 'image' : 'images'}`].join(', ')
  return `(${made} in ${(timings.total / 1000).toFixed(1)} s; ${reasons[reason]})`
}

const reasons = {
  end: 'the model ended the document',
  stop: 'stopped as asked',
  maxTokens: 'that was --max-tokens',
  maxImages: 'that was --max-images',
} as const
