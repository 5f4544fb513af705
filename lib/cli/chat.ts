import { Command } from 'commander'
import { on } from 'node:events'
import { createInterface } from 'node:readline'
import { Transfusion } from '../transfusion.js'
import { Conversation } from '../generation/conversation/conversation.js'
import { ChatSession } from './terminal/chat_session.js'
import {
  addImageOptions,
  addTextOptions,
  randomSeed,
  type GenerationFlags,
  generationOptionsOf,
} from './options/generation.js'
import { addLoadOptions, type LoadFlags, loadOptionsOf, showOption } from './options/shared.js'
import { PictureFolder } from '../image/picture_folder.js'
import { detectProtocol, type ImageProtocol } from './terminal/image.js'
import { TerminalWriter } from './terminal/writer.js'

/** Options of the command line. */
export interface ChatFlags extends GenerationFlags, LoadFlags {
  out: string
  show?: ImageProtocol
  system?: string
  /** False: the model's chat template is left alone. */
  template: boolean
}

export function chatCommand(): Command {
  const command = new Command('chat')
    .description('talk with the model, or write a document in turns with it')
    .argument('<model>', 'the model folder')
    .option('--out <folder>', 'where images go, numbered on from those that are there', 'samples')
    .option('--system <text>', 'how the model is to answer, for its chat template')
    .option('--no-template', 'leave the chat template alone: one document in turns')
    .addOption(showOption())
  return addImageOptions(addTextOptions(addLoadOptions(command)))
    .addHelpText(
      'after',
      '\nA model with a chat template, as one that began from a language model may have, answers to what you type. With\n' +
        'others, what you type and what the model generates is one document, and the model goes on with it.\n' +
        '/help lists the commands: images, generating them, seeds, saving.\n' +
        'Ctrl-C stops an answer, Ctrl-D leaves. Lines may come from a file too. Each answer takes the next seed.\n' +
        '\nExamples:\n' +
        '  transfusion chat runs/train/model --temperature 0.8 --top-p 0.95 --max-tokens 100\n' +
        "  printf '/draw a bag\\n/reset\\n/image shoe.png\\n' | transfusion chat runs/demo/model",
    )
    .action(chat)
}

/** `transfusion chat MODEL`: reads lines and answers them until the input ends. */
export async function chat(folder: string, flags: ChatFlags): Promise<void> {
  const { stdin: input, stdout: output, stderr: notes } = process
  const { seed = randomSeed(), ...options } = generationOptionsOf(flags)
  const pictures = await PictureFolder.open(flags.out)
  using model = await Transfusion.load(folder, loadOptionsOf(flags))
  const interactive = Boolean(input.isTTY && output.isTTY)
  const protocol = flags.show ?? detectProtocol(output)
  if (flags.seed === undefined) notes.write(`seeds from ${seed} on\n`)
  const images = { folder: pictures, previews: protocol === 'none' }
  const format = { ...(!flags.template && { messages: false }), system: flags.system }
  const conversation = new Conversation(model, { seed, ...options }, images, format)
  const session = new ChatSession(model, conversation, new TerminalWriter({ out: output, notes, protocol }))
  const reader = createInterface({ input, output: interactive ? output : undefined, prompt: '> ' })
  const lines = on(reader, 'line', { close: ['close'] }) as AsyncIterable<[line: string]>

  /** Ctrl-C: stops the answer; without one, empties the line, or ends a program that nobody sits before. */
  const interrupted = () => {
    if (conversation.stop()) return
    if (!interactive) process.exit(130)
    reader.write(null, { ctrl: true, name: 'u' })
    notes.write('\n(/quit or Ctrl-D leaves)\n')
    reader.prompt()
  }
  reader.on('SIGINT', interrupted)
  process.on('SIGINT', interrupted)
  // Ctrl-D leaves at once; a file's end comes before its lines are answered.
  if (interactive) reader.on('close', () => conversation.stop())
  try {
    if (interactive)
      notes.write(
        `${conversation.asMessages ? 'A conversation' : 'One document, in turns'} with the model. ` +
          '/help lists commands; Ctrl-D leaves.\n',
      )
    if (interactive) reader.prompt()
    let left = false
    for await (const [line] of lines) {
      const outcome = await session.run(line)
      left = outcome === 'quit'
      if (left) break
      // As in any script: what failed is in the exit code.
      if (outcome === 'failed' && !interactive) process.exitCode = 1
      if (interactive) reader.prompt()
    }
    // Ctrl-D leaves the cursor behind the prompt.
    if (interactive && !left) notes.write('\n')
  } finally {
    process.off('SIGINT', interrupted)
    reader.close()
  }
}
