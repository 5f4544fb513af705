/** What a training config has wrong, found before anything is trained, a tokenizer included. */
import { formatBytes } from '../reporting/report/numbers.js'
import { memory } from '../tensor/device.js'
import { modelRun } from './model_runs.js'
import type { LeastMemory } from './run_model.js'
import type { TrainConfig } from './train_config.js'

/** The settings of a new model, and how its samples are made. Rejects with an Error that begins with `name`, the config's. */
export async function checkNewModel(config: TrainConfig, name: string): Promise<void> {
  checkMemory(await modelRun(config).check(name), config, name)
}

const listed = (things: readonly string[]) => new Intl.ListFormat('en').format(things)

/** What cannot fit is refused before minutes go into weights and data for it. */
function checkMemory(
  { parameters, weights, beside = [], batch, batchOf, remedies }: LeastMemory,
  { device }: TrainConfig,
  name: string,
): void {
  const { limit } = memory(device)
  const most = `of a memory limit of ${formatBytes(limit)}`
  if (weights > limit)
    throw new Error(
      `${name}: model: ${parameters.toLocaleString('en')} parameters take ${formatBytes(weights)} with their gradients ` +
        `and the optimizer's state${beside.length > 0 ? `, ${listed(beside)} included` : ''}, ${most}; take a smaller preset, fewer layers or channels, or a machine with more memory`,
    )
  if (weights + batch > limit)
    throw new Error(
      `${name}: training.batchSize: ${batchOf} take at least ${formatBytes(batch)} in a step, beside ` +
        `${formatBytes(weights)} for the weights, ${most}; ${remedies}`,
    )
}
