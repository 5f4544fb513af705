#!/usr/bin/env node
import { Command } from 'commander'
import * as module from 'node:module'
import { join } from 'node:path'
import { cacheFolder } from '../cache_folder.js'
import { helpArguments, hintAtHelp } from './terminal/command_help.js'
import { leaveWithoutOutput } from './terminal/interrupt.js'
import { version } from '../version.js'
import { profileOptionsOf, profileProcess } from '../profiling/process_profile.js'

const program = new Command('transfusion')
  .description('Train Transfusion models, one transformer over text and images, and sample from them.')
  .version(version ?? 'unknown', '--version', 'print the version')
  .option(
    '--trace <file>',
    'write a Chrome trace of the kernels that run; TRANSFUSION_PROFILE=1 prints a table',
  )
  .configureHelp({ showGlobalOptions: true })
  .hook('preAction', () => {
    profileProcess({ ...profileOptionsOf(process.env), ...program.opts<{ trace?: string }>() })
  })

/** By name, in the order of the help: each imported where it is asked for, as all of them take half a second. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  train: async () => (await import('./train.js')).trainCommand(),
  encode: async () => (await import('./encode.js')).encodeCommand(),
  convert: async () => (await import('./convert.js')).convertCommand(),
  sample: async () => (await import('./sample.js')).sampleCommand(),
  caption: async () => (await import('./caption.js')).captionCommand(),
  chat: async () => (await import('./chat.js')).chatCommand(),
  eval: async () => (await import('./evaluate.js')).evaluateCommand(),
  samplers: async () => (await import('./samplers.js')).samplersCommand(),
  compare: async () => (await import('./compare.js')).compareCommand(),
  tokenizer: async () => (await import('./tokenizer.js')).tokenizerCommand(),
  export: async () => (await import('./export.js')).exportCommand(),
  quantize: async () => (await import('./quantize.js')).quantizeCommand(),
  report: async () => (await import('./report.js')).reportCommand(),
  demo: async () => (await import('./demo.js')).demoCommand(),
  doctor: async () => (await import('./doctor.js')).doctorCommand(),
  tune: async () => (await import('./tune.js')).tuneCommand(),
}

// Compiled code of the modules that follow is kept for the next start, where Node can (from 22.1 on).
const { enableCompileCache } = module as { enableCompileCache?: (folder: string) => unknown }
enableCompileCache?.(join(cacheFolder(), 'compiled'))

const args = process.argv.slice(2)
// What begins with a command is for it alone; help, and what is wrong with a name, are about all of them.
const name = args[0] === '--trace' ? args[2] : args[0]?.startsWith('--trace=') ? args[1] : args[0]
const wanted = Object.hasOwn(commands, name ?? '') ? [commands[name!]!] : Object.values(commands)
for (const command of await Promise.all(wanted.map((make) => make())))
  program.addCommand(command.copyInheritedSettings(program))
hintAtHelp(program)

for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => leaveWithoutOutput(error, stream === process.stderr))

try {
  await program.parseAsync(helpArguments(program, args), { from: 'user' })
} catch (error) {
  process.stderr.write(`transfusion: ${error instanceof Error ? error.message : String(error)}\n`)
  if (process.env['TRANSFUSION_DEBUG']) console.error(error)
  process.exitCode ||= 1
}
