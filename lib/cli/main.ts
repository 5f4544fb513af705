#!/usr/bin/env node
import { Command } from 'commander'
import { demo } from './demo.js'
import { evaluate } from './evaluate.js'
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
  .command('eval')
  .description(
    'measure a model on data that it was not trained on; without options, on the test images of Fashion-MNIST',
  )
  .argument('<model>', 'the model folder')
  .argument('[config]', 'a JSON file with the tasks')
  .option('--data <name>', 'draw, describe and judge the classes of: fashion-mnist')
  .option('--per-class <number>', 'images to draw of each class')
  .option('--sampler <name>', 'how they are drawn')
  .option('--steps <number>', 'denoising steps')
  .option('--guidance <number>', 'scale of guidance')
  .option('--text <files...>', 'perplexity on plain text or JSON Lines')
  .option('--questions <files...>', 'rank the options of questions in JSON Lines')
  .option('--seed <number>', 'everything random follows from it')
  .option('--precision <type>', 'f32 or bf16')
  .option('--json <file>', 'where the figures go, by default eval.json beside the model')
  .addHelpText(
    'after',
    '\nExamples:\n' +
      '  transfusion eval runs/demo/model --per-class 100 --steps 50\n' +
      '  transfusion eval runs/train/model --text held-out.txt --questions questions.jsonl',
  )
  .action(evaluate)

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
