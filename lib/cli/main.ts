#!/usr/bin/env node
import { Command } from 'commander'
import { demoCommand } from './demo.js'
import { evaluateCommand } from './evaluate.js'
import { samplersCommand } from './samplers.js'
import { trainCommand } from './train.js'

const program = new Command('transfusion')
  .description('Train Transfusion models, one transformer over text and images, and sample from them.')
  .showHelpAfterError('(transfusion help COMMAND shows its options and examples)')

for (const command of [trainCommand, evaluateCommand, samplersCommand, demoCommand])
  program.addCommand(command().copyInheritedSettings(program))

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`transfusion: ${error instanceof Error ? error.message : String(error)}\n`)
  if (process.env['TRANSFUSION_DEBUG']) console.error(error)
  process.exitCode ||= 1
}
