#!/usr/bin/env node
import { Command } from 'commander'
import { captionCommand } from './caption.js'
import { chatCommand } from './chat.js'
import { helpArguments, hintAtHelp } from './terminal/command_help.js'
import { compareCommand } from './compare.js'
import { convertCommand } from './convert.js'
import { demoCommand } from './demo.js'
import { doctorCommand } from './doctor.js'
import { encodeCommand } from './encode.js'
import { evaluateCommand } from './evaluate.js'
import { leaveWithoutOutput } from './terminal/interrupt.js'
import { exportCommand } from './export.js'
import { quantizeCommand } from './quantize.js'
import { reportCommand } from './report.js'
import { sampleCommand } from './sample.js'
import { samplersCommand } from './samplers.js'
import { tokenizerCommand } from './tokenizer.js'
import { trainCommand } from './train.js'
import { tuneCommand } from './tune.js'
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

const commands = [
  trainCommand,
  encodeCommand,
  convertCommand,
  sampleCommand,
  captionCommand,
  chatCommand,
  evaluateCommand,
  samplersCommand,
  compareCommand,
  tokenizerCommand,
  exportCommand,
  quantizeCommand,
  reportCommand,
  demoCommand,
  doctorCommand,
  tuneCommand,
]
for (const command of commands) program.addCommand(command().copyInheritedSettings(program))
hintAtHelp(program)

for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => leaveWithoutOutput(error, stream === process.stderr))

try {
  await program.parseAsync(helpArguments(program, process.argv.slice(2)), { from: 'user' })
} catch (error) {
  process.stderr.write(`transfusion: ${error instanceof Error ? error.message : String(error)}\n`)
  if (process.env['TRANSFUSION_DEBUG']) console.error(error)
  process.exitCode ||= 1
}
