import type { Image } from '../image/image.js'
import { joinValues } from '../image/codec.js'
import { imageFromFloats } from '../image/pixels.js'
import type { GenerativeNetwork, NetworkOutput } from './model.js'
import { concat } from '../ops/concat.js'
import { denoise } from '../ops/denoise.js'
import { gatherRows } from '../ops/gather_rows.js'
import { rowSeeds } from '../random.js'
import { fence } from '../tensor/device.js'
import type { Job } from '../tensor/job.js'
import { keep } from '../tensor/scope.js'
import { fromArray, type Tensor } from '../tensor/tensor.js'
import { Canvas } from './canvas.js'
import { coefficientsOf } from './image_sampling.js'
import type { Generation } from './generation.js'
import { infer } from './infer.js'
import { nextTokens, ruleOut } from './next_token.js'
import { type DrawEntry, type Entry, kindOf, type Plan, planRound, tensorsOf } from './plan.js'
import type { SequenceCache } from './sequence_cache.js'
import type { TurnResult } from './turn.js'

/** A call under way. */
export interface Round {
  readonly entries: readonly Entry[]
  readonly job: Job
  /** By entry. */
  readonly results: Promise<TurnResult[]>
}

type Fill<Values> = (values: Values, results: ReadonlyMap<Entry, TurnResult>) => void

/** What a call gives, and what it tells its entries. */
type Reading = (results: ReadonlyMap<Entry, TurnResult>) => Promise<void>

function reading<Values>(values: Promise<Values>, fill: Fill<Values>): Reading {
  // Where enqueuing fails later on nobody reads it: its rejection is not to be an unhandled one.
  values.catch(() => {})
  return async (results) => fill(await values, results)
}

/** Calls of one network for many generations: each adds its turn to its sequences, and to its image. */
export class Rounds {
  readonly #network: GenerativeNetwork
  readonly #cache: SequenceCache
  readonly #canvas: Canvas
  /** What may follow a token, by the ids that no token has: biases [V] with BOI and without. */
  readonly #biases = new WeakMap<readonly number[], { drawing: Float32Array; writing: Float32Array }>()
  /** The tokens [N] i32 that the last round drew, and whose they are, for those that go ahead of them. */
  #drawnTokens: { ids: Tensor; owners: readonly Generation[] } | undefined
  /** Kept while the same images are denoised again and again. */
  #plan: { plan: Plan; starts: readonly number[]; slots: number } | undefined

  constructor(network: GenerativeNetwork, cache: SequenceCache) {
    const { image } = network.config
    this.#network = network
    this.#cache = cache
    this.#canvas = new Canvas({ type: 'image', height: image.height, width: image.width }, image.channels)
  }

  /** Enqueues a call. Throws what enqueuing does; the entries' generations are then to be given up. */
  enqueue(job: Job, entries: readonly Entry[]): Round {
    let round: Round | undefined
    infer(job, () => {
      const kv = this.#cache.tensors()
      const plan = this.#planFor(entries)
      const { drawers, extensions } = plan
      const begun = drawers.flatMap(({ generation, turn }) => (turn.step === 0 ? [generation] : []))
      const owners = drawers.map(({ generation }) => generation)
      const before = drawers.length > 0 ? this.#canvas.take(owners, begun) : undefined
      const images = this.#modelImages(plan, before?.x)
      const layout = { ...plan.layout, ids: this.#idsOf(plan) }
      const output = this.#network.forward(layout, images, { kv, slots: plan.slots })
      const after = before && this.#denoise(plan, output, before)
      const tokens = this.#sample(plan, output.hidden)
      const readings = [...(tokens ? [tokens.reading] : []), ...(after ? this.#show(drawers, after) : [])]
      const results = collect(entries, readings)
      results.catch(() => {})
      for (const { sequence, end } of extensions) sequence.cursor = end
      for (const { generation, turn } of entries) generation.taken(turn)
      if (after) this.#canvas.put(owners, after.x, after.x0)
      this.#canvas.tidy()
      this.#keepPlan(plan)
      this.#keepTokens(tokens)
      round = { entries, job, results }
    })
    return round!
  }

  /** Frees what is kept between rounds. */
  [Symbol.dispose](): void {
    this.#canvas[Symbol.dispose]()
    this.#forgetPlan()
    this.#keepTokens(undefined)
  }

  /** The plan of the round before, where nothing but t differs. */
  #planFor(entries: readonly Entry[]): Plan {
    const kept = this.#plan
    if (
      kept &&
      kept.slots === this.#cache.slots &&
      kept.plan.entries.length === entries.length &&
      entries.every((entry, i) => repeats(entry, kept.plan.entries[i]!)) &&
      kept.plan.extensions.every(({ sequence }, i) => sequence.start === kept.starts[i])
    ) {
      const turns = new Map(entries.map((entry) => [entry.generation, entry as DrawEntry]))
      return {
        ...kept.plan,
        entries,
        drawers: kept.plan.drawers.map(({ generation }) => turns.get(generation)!),
      }
    }
    return planRound(entries, this.#network.config, this.#cache.slots)
  }

  #keepPlan(plan: Plan): void {
    if (this.#plan?.plan.slots === plan.slots) return
    this.#forgetPlan()
    if (!plan.repeatable) return
    tensorsOf(plan).forEach(keep)
    const starts = plan.extensions.map(({ sequence }) => sequence.start)
    this.#plan = { plan, starts, slots: this.#cache.slots }
  }

  #forgetPlan(): void {
    if (this.#plan) for (const tensor of tensorsOf(this.#plan.plan)) tensor.free()
    this.#plan = undefined
  }

  /** The images that the network reads, in the plan's order; x [N, values]: those that are drawn. */
  #modelImages({ drawers, guided, drawn, given }: Plan, x: Tensor | undefined) {
    const { channels } = this.#network.config.image
    const count = drawers.length + guided + drawn.length + given.length
    if (count === 0) return undefined
    const t = new Float32Array(count)
    drawers.forEach(({ generation, turn }, i) => {
      t[i] = generation.request.drawing.steps[turn.step]!.t
      if (i < guided) t[drawers.length + i] = t[i]!
    })
    const pieces = [
      ...(x ? [x] : []),
      ...(guided > 0 ? [x!.view([guided, this.#canvas.values])] : []),
      ...(drawn.length > 0 ? [this.#canvas.images(drawn)] : []),
      ...(given.length > 0 ? [fromArray(joinValues(given))] : []),
    ].map((piece) => piece.view([-1, channels]))
    return { pixels: pieces.length > 1 ? concat(pieces, 0) : pieces[0]!, t: fromArray(t) }
  }

  /** One step of every image: x and x0 [N, values]. */
  #denoise(plan: Plan, output: NetworkOutput, before: { x: Tensor; x0: Tensor }): { x: Tensor; x0: Tensor } {
    const { drawers, guided } = plan
    const { image } = this.#network.config
    const { values } = this.#canvas
    const predicted = this.#network.imagePrediction(output, plan.drawnLayout)
    const rowsOf = (tensor: Tensor, first: number, count: number) =>
      tensor.view([count * image.height * image.width, image.channels], first * values)
    const pieces: { y: Tensor; x0: Tensor }[] = []
    for (let first = 0; first < drawers.length;) {
      const kind = kindOf(drawers[first]!)
      const other = drawers.findIndex((entry, i) => i > first && kindOf(entry) !== kind)
      const group = drawers.slice(first, other < 0 ? undefined : other)
      const count = group.length
      const imageRows = Int32Array.from({ length: count + 1 }, (_, i) => i * image.height * image.width)
      const coefficients = new Float32Array(count * 7)
      const seeds = new Int32Array(count * 4)
      group.forEach(({ generation, turn }, i) => {
        coefficients.set(coefficientsOf(generation.request.drawing, turn.step), i * 7)
        seeds.set(rowSeeds([generation.imageSeed], 'noise', turn.step + 1), i * 4)
      })
      pieces.push(
        denoise({
          x: rowsOf(before.x, first, count),
          conditional: rowsOf(predicted, first, count),
          unconditional: first < guided ? rowsOf(predicted, drawers.length + first, count) : undefined,
          previous: rowsOf(before.x0, first, count),
          imageRows: fromArray(imageRows),
          coefficients: fromArray(coefficients, [count, 7]),
          seeds: fromArray(seeds, [count, 4]),
          clip: group[0]!.generation.request.drawing.clip ? [-1, 1] : undefined,
        }),
      )
      first += count
    }
    const joined = (name: 'y' | 'x0') => {
      const tensors = pieces.map((piece) => piece[name])
      const whole = tensors.length > 1 ? concat(tensors, 0) : tensors[0]!
      return whole.view([drawers.length, values])
    }
    return { x: joined('y'), x0: joined('x0') }
  }

  /** The ids [T] of a call's tokens, those that the last round drew among them. */
  #idsOf({ entries, layout, lastRows }: Plan): Tensor {
    const ahead = entries.filter(({ turn }) => turn.type === 'read' && turn.ahead)
    if (ahead.length === 0) return layout.ids
    const { ids, owners } = this.#drawnTokens!
    const rows = Int32Array.from({ length: layout.ids.elements }, (_, row) => row)
    for (const entry of ahead) rows[lastRows.get(entry)!] = rows.length + owners.indexOf(entry.generation)
    return gatherRows(concat([layout.ids, ids], 0), fromArray(rows))
  }

  /** Draws the next token of those who want one. */
  #sample({ entries, lastRows }: Plan, hidden: Tensor) {
    const wanting = entries.filter(samples)
    if (wanting.length === 0) return undefined
    const groups = new Map<Float32Array, Entry[]>()
    for (const entry of wanting) {
      const bias = this.#biasOf(entry.generation)
      groups.set(bias, [...(groups.get(bias) ?? []), entry])
    }
    const drawn = [...groups].map(([bias, group]) => {
      const rows = Int32Array.from(group, (entry) => lastRows.get(entry)!)
      return nextTokens(
        this.#network.logits(hidden, fromArray(rows)),
        fromArray(bias),
        group.map(({ generation }) => ({
          options: generation.request.settings,
          position: generation.position,
        })),
      )
    })
    const order = [...groups.values()].flat()
    const ids = drawn.length > 1 ? concat(drawn, 0) : drawn[0]!
    return {
      ids,
      owners: order.map(({ generation }) => generation),
      reading: reading(ids.readInts(), (values, results) =>
        order.forEach((entry, i) => (results.get(entry)!.token = values[i]!)),
      ),
    }
  }

  #biasOf({ mayDraw, request }: Generation): Float32Array {
    const { idsWithoutToken = NONE } = request.tokenizer ?? {}
    let biases = this.#biases.get(idsWithoutToken)
    if (!biases) {
      const { vocabulary } = this.#network.config
      const { bos, boi, eoi } = this.#network.config.tokens
      // EOI is the loop's to append, and BOS continues nothing.
      const never = [bos, eoi, ...idsWithoutToken]
      biases = { drawing: ruleOut(vocabulary, never), writing: ruleOut(vocabulary, [...never, boi]) }
      this.#biases.set(idsWithoutToken, biases)
    }
    return mayDraw ? biases.drawing : biases.writing
  }

  #keepTokens(tokens: { ids: Tensor; owners: readonly Generation[] } | undefined): void {
    this.#drawnTokens?.ids.free()
    if (tokens) keep(tokens.ids)
    this.#drawnTokens = tokens
  }

  /** Reads what is to be shown: finished images, and the estimates that are asked for. */
  #show(drawers: readonly DrawEntry[], { x, x0 }: { x: Tensor; x0: Tensor }): Reading[] {
    const { width, height, channels } = this.#network.config.image
    const size = { width, height, channels: channels as Image['channels'] }
    const { values: length } = this.#canvas
    const show = (from: Tensor, shown: (entry: DrawEntry) => boolean): Reading[] => {
      const rows = drawers.flatMap((entry, i) => (shown(entry) ? [i] : []))
      if (rows.length === 0) return []
      const fill: Fill<Float32Array> = (values, results) =>
        rows.forEach((row, i) => {
          const floats = values.subarray(i * length, (i + 1) * length)
          results.get(drawers[row]!)!.image = imageFromFloats(floats, size)
        })
      return [reading(gatherRows(from, fromArray(Int32Array.from(rows))).readFloats(), fill)]
    }
    return [...show(x, ({ turn }) => turn.last), ...show(x0, ({ turn }) => turn.preview)]
  }
}

const NONE: readonly number[] = []

const samples = ({ turn }: Entry): boolean => turn.type === 'read' && turn.following === 'token'

/** Whether the same image was denoised in the round before, and in the same way. */
const repeats = (entry: Entry, before: Entry): boolean =>
  entry.generation === before.generation &&
  isDrawn(entry) &&
  isDrawn(before) &&
  kindOf(entry) === kindOf(before)

const isDrawn = (entry: Entry): entry is DrawEntry => entry.turn.type === 'denoise' && entry.turn.step > 0

/** Waits for what a call gives; at the least until it has run. */
async function collect(entries: readonly Entry[], readings: readonly Reading[]): Promise<TurnResult[]> {
  const results = new Map(entries.map((entry) => [entry, {} as TurnResult]))
  await (readings.length > 0 ? Promise.all(readings.map((read) => read(results))) : fence())
  return [...results.values()]
}
