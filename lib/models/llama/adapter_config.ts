/** `adapter_config.json` of Hugging Face's PEFT: low-rank updates (LoRA) of a language model. */
import { z } from 'zod'

const isOff = (value: unknown) =>
  value === null || value === false || (typeof value === 'object' && Object.keys(value).length === 0)

const off = (what: string) =>
  z
    .unknown()
    .refine(isOff, { error: `expected none: ${what} cannot be merged here` })
    .optional()

/** Initial values that leave the base model's weights as they are. */
const plainInitial = [true, false, 'gaussian', 'eva', 'orthogonal'] as const

/** What is read of it. What would change the update, or other weights, is refused by name. */
export const adapterConfigSchema = z.object({
  peft_type: z.literal('LORA', { error: 'expected "LORA": other kinds of adapters are not read' }),
  r: z.int().positive(),
  lora_alpha: z.number().positive(),
  /** The scale is alpha / sqrt(r) instead of alpha / r (arXiv 2312.03732). */
  use_rslora: z.boolean().nullish(),
  bias: z
    .literal('none', { error: 'expected "none": biases that were trained cannot be merged here' })
    .default('none'),
  use_dora: off('DoRA (arXiv 2402.09353), which scales whole weights,'),
  modules_to_save: off('modules that were trained whole'),
  lora_bias: off('biases of updates'),
  fan_in_fan_out: off('transposed weights'),
  rank_pattern: off('ranks of their own'),
  alpha_pattern: off('alphas of their own'),
  layer_replication: off('repeated layers'),
  target_parameters: off('updates of single parameters'),
  trainable_token_indices: off('tokens that were trained'),
  alora_invocation_tokens: off('an update that begins at a token'),
  arrow_config: off('a choice among updates'),
  use_qalora: off('QALoRA'),
  use_bdlora: off('block-diagonal factors'),
  kasa_config: off('KaSA'),
  monteclora_config: off('MonteCLoRA'),
  velora_config: off('VeLoRA'),
  init_lora_weights: z
    .unknown()
    .refine((value) => plainInitial.some((one) => one === value), {
      error: `expected one of ${plainInitial.join(', ')}: others have changed the weights that the update is of`,
    })
    .optional(),
})

/** What its updates are multiplied by. */
export const adapterScale = ({ r, lora_alpha, use_rslora }: z.output<typeof adapterConfigSchema>): number =>
  lora_alpha / (use_rslora ? Math.sqrt(r) : r)

/** What PEFT reads; `modules`: the linear layers that have updates, as its `target_modules` are. */
export const adapterConfigJson = (
  { rank, alpha }: { rank: number; alpha: number },
  modules: readonly string[],
): object => ({
  peft_type: 'LORA',
  task_type: 'CAUSAL_LM',
  base_model_name_or_path: null,
  r: rank,
  lora_alpha: alpha,
  lora_dropout: 0,
  use_rslora: false,
  use_dora: false,
  target_modules: modules,
  modules_to_save: null,
  bias: 'none',
  fan_in_fan_out: false,
  init_lora_weights: true,
  inference_mode: true,
})
