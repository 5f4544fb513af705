/** Low-rank updates of a model's text part in folders of Hugging Face's PEFT. */
import { join } from 'node:path'
import { checkArguments } from '../../../arguments.js'
import { parseConfig } from '../../../config/parse.js'
import { replaceFiles } from '../../../files/atomic_folder.js'
import { exists } from '../../../files/exists.js'
import { readJson, writeJson } from '../../../files/json_file.js'
import { type PendingTensor, writeSafetensors } from '../../../files/safetensors/safetensors.js'
import { SafetensorsReader } from '../../../files/safetensors/safetensors_reader.js'
import { ParameterArena } from '../../../nn/arena.js'
import { mergeUpdate } from '../../../nn/low_rank.js'
import { readAs } from '../../../nn/parameter_values.js'
import { type LowRankFactors, type Parameter, ParameterList } from '../../../nn/parameters.js'
import { adapterConfigJson, adapterConfigSchema, adapterScale } from '../../llama/adapter_config.js'
import { llamaTensors } from '../../llama/tensors.js'
import { adaptableNames } from '../lora.js'
import type { TransfusionNetwork } from '../model.js'
import { llamaConfigOf } from './to_llama.js'
import { readWeights } from './weights.js'
import { writePiece } from './write_pieces.js'

const files = { config: 'adapter_config.json', weights: 'adapter_model.safetensors' } as const

/** A matrix of a model that an update may be of. */
interface Matrix {
  readonly parameter: Parameter
  readonly index: number
  readonly rows: LowRankFactors['rows']
  /** I. */
  readonly inputs: number
}

/** The matrices of the linear layers that text goes through, by the names that transformers has: "layers.0.self_attn.q_proj". */
function matricesOf({ config, arena }: TransfusionNetwork): Map<string, Matrix> {
  const llama = llamaConfigOf(config)
  const matrices = new Map<string, Matrix>()
  const names = new Set(adaptableNames(arena.everyParameter))
  for (const parameter of arena.everyParameter.filter(({ name }) => names.has(name))) {
    let start = 0
    for (const [index, { name, shape }] of (llamaTensors(parameter.name, llama) ?? []).entries()) {
      const [count, inputs] = shape as [number, number]
      const module = name.replace(/^model\./, '').replace(/\.weight$/, '')
      matrices.set(module, { parameter, index, rows: { start, count }, inputs })
      start += count
    }
  }
  return matrices
}

/**
 * Writes the low-rank updates of a model's text part as PEFT's `adapter_config.json` and `adapter_model.safetensors` (f32), which it
 * reads beside the model that `toLlama` writes of the weights they are of. Those of images' own layers are left out. The values are
 * those of the call, even while they are trained.
 * @throws Error where there are none
 */
export async function saveAdapter(folder: string, network: TransfusionNetwork): Promise<void> {
  checkArguments('saveAdapter', { folder: [folder, 'string'] })
  const { arena, lora } = network
  const matrices = matricesOf(network)
  const adapted = [...matrices].filter(([, { parameter }]) => parameter.update)
  if (!lora || adapted.length === 0)
    throw new Error(
      'saveAdapter: the model has no low-rank updates of its text part: they are made by the option lora of Transfusion.create, ' +
        'load, fromPretrained and initializeFrom',
    )
  using frozen = arena.freeze()
  const tensors = new Map<string, PendingTensor>()
  for (const [module, { parameter, index }] of adapted) {
    const { a, b } = parameter.update!.factors[index]!
    for (const [of, factor] of [
      ['A', a],
      ['B', b],
    ] as const) {
      const read = async () => {
        using values = arena.valuesAmong(frozen.tensor, factor)
        return await readAs(values, 'f32')
      }
      tensors.set(tensorName(module, of), { dtype: 'f32', shape: factor.shape, read })
    }
  }
  const config = adapterConfigJson(
    lora,
    targetModules(
      [...matrices.keys()],
      adapted.map(([module]) => module),
    ),
  )
  await replaceFiles(folder, async (aside) => {
    await writeSafetensors(join(aside, files.weights), tensors, { format: 'pt' })
    await writeJson(join(aside, files.config), config)
  })
}

const tensorName = (module: string, of: 'A' | 'B'): string =>
  `base_model.model.model.${module}.lora_${of}.weight`

/** "q_proj" where all layers' have updates, else the whole names. */
function targetModules(all: readonly string[], adapted: readonly string[]): string[] {
  const kind = (module: string) => module.slice(module.lastIndexOf('.') + 1)
  const kinds = new Set(adapted.map(kind))
  const isWhole = all.filter((module) => kinds.has(kind(module))).length === adapted.length
  return isWhole ? [...kinds] : adapted.map((module) => `model.${module}`)
}

/**
 * Adds the updates of a folder of PEFT's to the weights of a model's text part: W + scale B A. Nothing is changed where it
 * rejects.
 * @throws Error that names the file and what of it is missing, does not fit or is not supported
 */
export async function mergeAdapter(folder: string, network: TransfusionNetwork): Promise<void> {
  checkArguments('mergeAdapter', { folder: [folder, 'string'] })
  const path = join(folder, files.config)
  const config = parseConfig(adapterConfigSchema, await readJson(path), path)
  const weights = join(folder, files.weights)
  if (!(await exists(weights)))
    throw new Error(`${weights}: there is no such file; model.save_pretrained(folder) of PEFT writes it`)
  const { arena } = network
  const list = new ParameterList()
  const updates = await updatesOf(weights, network, config.r, list)
  using factors = new ParameterArena(list.parameters, 'f32', network.device)
  await readWeights(weights, list.parameters, (parameter, piece) => writePiece(factors, parameter, piece))
  const factor = adapterScale(config)
  for (const update of updates) mergeUpdate(arena, update.parameter, { ...update, factor, values: factors })
  arena.updated()
}

/** The matrices that a file has updates of, with the factors, which are added to `list` by their names in the file. */
async function updatesOf(path: string, network: TransfusionNetwork, rank: number, list: ParameterList) {
  const matrices = matricesOf(network)
  const found = new Map<string, Matrix>()
  await using reader = await SafetensorsReader.open(path)
  for (const name of reader.entries.keys()) {
    const [, prefix = '', module = ''] =
      /^(base_model\.model\.(?:model\.)?(.+)\.)lora_[AB]\.weight$/.exec(name) ?? []
    const matrix = matrices.get(module)
    if (!matrix)
      throw new Error(
        `${path}: "${name}" is no update of a linear layer in a block of this model: expected names like ` +
          `${tensorName([...matrices.keys()][0]!, 'A')}, of layers 0 to ${network.config.layers - 1}`,
      )
    found.set(prefix, matrix)
  }
  return [...found].map(([prefix, { parameter, rows, inputs }]) => ({
    parameter,
    rows,
    a: list.add(`${prefix}lora_A.weight`, [rank, inputs], { value: 0 }),
    b: list.add(`${prefix}lora_B.weight`, [rows.count, rank], { value: 0 }),
  }))
}
