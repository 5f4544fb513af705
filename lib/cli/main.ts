#!/usr/bin/env node
import { Command } from 'commander'
import { demo } from './demo.js'
import { train } from './train.js'

const program = new Command('transfusion').description(
  'Train Transfusion models, one transformer over text and images, and sample from them.',
)

program
  .command('train')
  .description('train a model as a JSON config says')
  .argument('<config>', 'the config file')
  .option('--out <folder>', 'where the run is written, and resumed', 'runs/train')
  .option('--init <folder>', 'weights to begin with: a model folder, or a Hugging Face Llama')
  .addHelpText('after', '\nExample:\n  transfusion train examples/fashion-mnist.json --out runs/fashion')
  .action(train)

program
  .command('demo')
  .description('train on Fashion-MNIST, draw from captions, describe test images, and judge the result')
  .option('--minutes <number>', 'time to train', '3')
  .option('--out <folder>', 'where the run is written', 'runs/demo')
  .option('--seed <number>', 'everything random follows from it', '0')
  .action(demo)

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`transfusion: ${error instanceof Error ? error.message : String(error)}\n`)
  if (process.env['TRANSFUSION_DEBUG']) console.error(error)
  process.exitCode ||= 1
}
