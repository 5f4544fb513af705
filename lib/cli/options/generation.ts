/** The options of a generation as flags, and flags as the options of a generation. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { randomInt } from 'node:crypto'
import { given } from '../../config/given.js'
import { parseConfig } from '../../config/parse.js'
import { type GenerationOptions, generationOptionsSchema } from '../../generation/options.js'
import {
  guidanceOption,
  numberOption,
  samplerOption,
  seedOption,
  stepsOption,
  toNumber,
  toNumbers,
} from './shared.js'

/** What commander makes of the flags. */
export interface GenerationFlags extends Omit<GenerationOptions, 'stop' | 'stopTokens' | 'signal' | 'clip'> {
  stop?: string[]
  stopToken?: number[]
}

const defaults = generationOptionsSchema.parse({})

/** Adds the flags of text, with these defaults; without `seed` each run has a random one. */
export function addTextOptions(
  command: Command,
  { maxTokens = defaults.maxTokens, seed }: { maxTokens?: number; seed?: number } = {},
): Command {
  const options = [
    numberOption('--max-tokens <number>', 'most tokens of text').default(maxTokens),
    numberOption('--temperature <number>', 'of text; 0 takes the most likely token').default(
      defaults.temperature,
    ),
    numberOption('--top-k <number>', 'only the k most likely tokens; 0: all').default(defaults.topK),
    numberOption(
      '--top-p <share>',
      'only the most likely tokens that together have this probability',
    ).default(defaults.topP),
    numberOption(
      '--min-p <share>',
      'only tokens at least this many times as likely as the most likely one',
    ).default(defaults.minP),
    new Option('--stop <text>', 'text that ends the answer, not shown; may be given again').argParser(
      (text: string, earlier: readonly string[] = []) => [...earlier, text],
    ),
    new Option('--stop-token <id>', 'a token that ends the answer; may be given again').argParser(toNumbers),
    seed === undefined
      ? seedOption('by default another each time, which is shown')
      : seedOption().default(seed),
  ]
  for (const option of options) command.addOption(option.helpGroup('Text:'))
  return command
}

/** Adds the flags of images. */
export function addImageOptions(command: Command): Command {
  const options = [
    numberOption('--max-images <number>', 'most images').default(defaults.maxImages),
    stepsOption().default(defaults.steps),
    samplerOption(),
    guidanceOption().default(defaults.guidance),
    new Option(
      '--guidance-interval <from,to>',
      'where guidance applies, as shares of the noise times: 0.2,0.8',
    )
      .argParser(toInterval)
      .default(defaults.guidanceInterval, defaults.guidanceInterval.join(',')),
    numberOption(
      '--image-temperature <number>',
      'of images that are codes; 0 takes the most likely code',
    ).default(defaults.imageTemperature),
    numberOption('--image-top-k <number>', 'of codes, only the k most likely; 0: all').default(
      defaults.imageTopK,
    ),
    numberOption(
      '--image-top-p <share>',
      'of codes, only the most likely that together have this probability',
    ).default(defaults.imageTopP),
    numberOption(
      '--preview-every <steps>',
      'show an image while it is denoised; where the terminal cannot, write NUMBER-step-STEP.png',
    ).default(defaults.previewEvery),
    new Option(
      '--preview-decoder <which>',
      'of latents: linear, which costs nothing, or full, the autoencoder',
    )
      .choices(generationOptionsSchema.shape.previewDecoder.unwrap().options)
      .default(defaults.previewDecoder),
  ]
  for (const option of options) command.addOption(option.helpGroup('Images:'))
  return command
}

/** For whoever names none: short enough to be typed again. */
export const randomSeed = (): number => randomInt(2 ** 31)

/** The options of a generation among the flags of a command. Throws a ConfigError that names what is out of range. */
export function generationOptionsOf(flags: GenerationFlags): GenerationOptions {
  const { stopToken: stopTokens, ...rest } = flags
  const known = Object.keys(generationOptionsSchema.shape)
  const options = Object.entries({ ...rest, stopTokens }).filter(([name]) => known.includes(name))
  const found = given(Object.fromEntries(options)) as GenerationOptions
  parseConfig(generationOptionsSchema, found, 'options')
  return found
}

function toInterval(text: string): readonly [number, number] {
  const numbers = text.split(',').map(toNumber)
  if (numbers.length !== 2) throw new InvalidArgumentError('Expected two numbers with a comma: 0.2,0.8.')
  return [numbers[0]!, numbers[1]!]
}
