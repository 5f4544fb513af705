import { Command } from 'commander'
import { dirname, resolve } from 'node:path'
import { given } from '../config/given.js'
import { parseConfig } from '../config/parse.js'
import { readConfig } from '../files/config_file.js'
import { type BpeSettings, bpeOptionsSchema } from '../tokenizer/bpe/options.js'
import { openSource, openSources, sourceSchema } from '../datasets/data_config.js'
import { makeFolder } from '../files/make_folder.js'
import type { WeightedSource } from '../data/stream/open_stream.js'
import { onInterrupt } from './terminal/interrupt.js'
import { LeftOutReport } from '../run/left_out_report.js'
import { numberOption } from './options/shared.js'
import { textData } from './options/text_data.js'
import { TokenizerProgress } from './terminal/tokenizer_progress.js'
import { trainTokenizer } from '../tokenizer/bpe/train_tokenizer.js'
import { requireGenerative } from '../run/model_runs.js'
import { trainConfigSchema } from '../run/train_config.js'
import { textsOfAll, unreadablePolicy } from '../run/train_data.js'

/** Options of the command line. */
export interface TokenizerTrainOptions {
  config?: string
  vocabulary?: number
  minFrequency?: number
  specialTokens?: string[]
  out: string
}

const examples =
  '\nExamples:\n' +
  '  transfusion tokenizer train books.txt captions.jsonl --vocabulary 32000 --out tokenizer.json\n' +
  '  transfusion tokenizer train --config config.json'

export const tokenizerCommand = (): Command =>
  new Command('tokenizer')
    .description('make tokenizers')
    .addCommand(trainCommand())
    .addHelpText('after', examples)

const trainCommand = (): Command =>
  new Command('train')
    .description("train a byte-level BPE tokenizer on texts, with the merges of Hugging Face's trainer")
    .argument('[files...]', 'plain text or JSON Lines; folders of .txt files; patterns with *')
    .option(
      '--config <file>',
      'train on the data of this config of a training run instead, with the settings of its BPE tokenizer',
    )
    .addOption(numberOption('--vocabulary <number>', 'tokens in all, by default 16384'))
    .addOption(
      numberOption(
        '--min-frequency <number>',
        'what occurs less often does not become a token, by default 2',
      ),
    )
    .option('--special-tokens <tokens...>', 'by default <s> </s> <|boi|> <|eoi|>')
    .option('--out <file>', 'where the tokenizer is written', 'tokenizer.json')
    .addHelpText('after', examples)
    .action(tokenizerTrain)

/** `transfusion tokenizer train FILES...`: trains byte-level BPE on their texts and writes a tokenizer.json. */
export async function tokenizerTrain(
  files: readonly string[],
  { config, out, vocabulary, minFrequency: minimumFrequency, specialTokens }: TokenizerTrainOptions,
): Promise<void> {
  const started = performance.now()
  const { open, loading, configured } = await readInputs(files, config)
  const settings = parseConfig(
    bpeOptionsSchema,
    { ...configured, ...given({ vocabulary, minimumFrequency, specialTokens }) },
    'options',
  )
  const sources = await open()
  await makeFolder(dirname(resolve(out)))
  using interrupt = onInterrupt('Stopping; nothing is written. Press Ctrl-C again to leave at once.')
  const leftOut = new LeftOutReport((line) => process.stderr.write(`${line}\n`))
  const onUnreadable = unreadablePolicy(loading, leftOut.onSkip)
  const progress = new TokenizerProgress()
  const tokenizer = await trainTokenizer(textsOfAll(sources, onUnreadable), settings, {
    signal: interrupt.signal,
    onProgress: (now) => progress.update(now),
  }).finally(() => progress.stop())
  await tokenizer.save(out)
  for (const line of leftOut.summary(sources)) process.stdout.write(`${line}\n`)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  process.stdout.write(`${tokenizer.vocabularySize} tokens in ${seconds} s; the tokenizer is in ${out}\n`)
  if (tokenizer.givenSize < settings.vocabulary)
    process.stderr.write(
      `There are fewer than the ${settings.vocabulary} asked for: no other pair of tokens occurs ` +
        `${settings.minimumFrequency} times in the texts.\n`,
    )
}

interface Inputs {
  open(): Promise<WeightedSource[]>
  loading: { onUnreadable: 'stop' | 'skip' }
  /** What a config says of the tokenizer. */
  configured: BpeSettings
}

/** The files, or what the config of a training run says of its data, how it is read, and its tokenizer. */
async function readInputs(files: readonly string[], config: string | undefined): Promise<Inputs> {
  if ((files.length === 0) === (config === undefined))
    throw new Error(
      'expected files to train on, or --config with a config that names the data, one of the two',
    )
  if (config !== undefined) {
    const { data, loading, tokenizer } = requireGenerative(
      parseConfig(trainConfigSchema, await readConfig(config, trainConfigSchema), config),
      config,
      'an autoencoder reads no texts',
    )
    const { type, ...configured } = tokenizer
    return { open: () => openSources(data), loading, configured: type === 'bpe' ? configured : {} }
  }
  const open = async () => {
    const sources: WeightedSource[] = []
    for (const file of files)
      sources.push({ source: await openSource(parseConfig(sourceSchema, textData(file), file)), weight: 1 })
    return sources
  }
  return { open, loading: { onUnreadable: 'stop' }, configured: {} }
}
