/** A model of text and emoji: trained by a config and evaluated; the same call goes on where it was stopped. */
import { join } from 'node:path'
import { given } from '../../config/given.js'
import { readJson } from '../../files/json_file.js'
import { drawContactSheet } from '../../image/contact_sheet.js'
import { runFiles } from '../../reporting/run_files.js'
import { writeReport } from '../../reporting/report.js'
import { type RunMessages, silent } from '../../run/messages.js'
import { runPaths } from '../../run/run_folder.js'
import { trainFromConfig } from '../../run/train_from_config.js'
import type { SessionHooks } from '../../run/train_session.js'
import { Transfusion } from '../../transfusion.js'
import { writeResult } from '../demo/demo_result.js'
import type { DemoTask } from '../demo/demo_task.js'
import { type EmojiModel, emojiModelConfig } from './model_config.js'

/** Where a model is trained, and what is known of its autoencoder. */
export interface EmojiModelOptions extends SessionHooks {
  /** The run's folder. */
  out: string
  /** Goes before the model's own in its files. */
  metrics?: Readonly<Record<string, number>>
}

/** Resolves with all metrics, those of an earlier call where there was nothing left to train, or undefined where the signal ended training. */
export async function trainEmojiModel(
  learning: Omit<DemoTask, 'data' | 'model'>,
  model: EmojiModel,
  { out, metrics: earlier = {}, ...options }: EmojiModelOptions,
): Promise<Readonly<Record<string, number>> | undefined> {
  const hooks: SessionHooks & RunMessages = { ...silent, ...given(options) }
  const trained = await trainFromConfig(emojiModelConfig(learning, model), { ...hooks, out })
  if (trained.outcome === 'interrupted') return undefined
  const known = ((await readJson(join(out, runFiles.finalMetrics), false)) || {}) as Record<string, number>
  if (known['train_steps'] === trained.steps) return known
  const { precision: compute, device } = model
  using loaded = await Transfusion.load(runPaths(out).model, { compute, device })
  const { metrics, sheet } = await learning.evaluate(loaded, hooks.onMessage)
  const all = { ...earlier, ...metrics, train_steps: trained.steps, train_seconds: trained.seconds }
  await writeResult(out, all, drawContactSheet(sheet), hooks.onMessage)
  await writeReport(out)
  return all
}
