import { Command } from 'commander'
import { type TuneOptions, tuneFromConfig } from '../run/tune_from_config.js'
import { formatCount } from '../reporting/report/numbers.js'
import { deviceOption, settingOption } from './options/shared.js'
import { onInterrupt } from './terminal/interrupt.js'
import { say, warn } from './terminal/output.js'
import { productLine, productsHead } from './terminal/products_table.js'

export const tuneCommand = (): Command =>
  new Command('tune')
    .description('measure which way a training has its matrix products fastest on this GPU, for `train`')
    .argument('<configs...>', 'config files, as `transfusion train` takes them')
    .option('--init <folder>', 'weights that the training begins with, as `train` takes them')
    .addOption(settingOption())
    .addOption(deviceOption())
    .addHelpText(
      'after',
      '\nTwo steps of each training are taken to see its products; nothing of them is written. What is found is kept in the\n' +
        "user's cache folder, for this GPU, driver, build and cuBLASLt; `--set training.products=own` trains without it.\n" +
        '\nExample:\n  transfusion tune train.json --device cuda',
    )
    .action(tune)

/** `transfusion tune CONFIG...`: see `tuneFromConfig`. */
export async function tune(
  configs: readonly string[],
  options: Pick<TuneOptions, 'device' | 'init' | 'set'>,
): Promise<void> {
  using interrupt = onInterrupt('Stopping; nothing is kept. Press Ctrl-C again to leave at once.')
  for (const config of configs) {
    const { file } = await tuneFromConfig(config, {
      ...options,
      signal: interrupt.signal,
      onShapes: (count) => say(`${config}: ${formatCount(count, 'product')}\n${productsHead()}`),
      onProduct: (product) => say(productLine(product)),
      onWarning: warn,
    })
    say(`${config}: kept in ${file}`)
  }
}
