import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { isImageParameter } from '../../lib/models/transfusion/image_parameters.js'
import type { TransfusionTrainingSettings } from '../../lib/models/transfusion/training/options.js'
import { Trainer } from '../../lib/models/transfusion/training/trainer.js'
import { ParameterArena } from '../../lib/nn/arena.js'
import { Parameter } from '../../lib/nn/parameters.js'
import { learningRateAt } from '../../lib/training/learning_rate.js'
import { createOptimizer, optimizerSchema, type OptimizerSettings } from '../../lib/training/optimizer.js'
import {
  groupSchedule,
  type ParameterGroupOptions,
  parameterGroupSchema,
  ParameterGroups,
} from '../../lib/training/parameter_groups.js'
import type { StepReport } from '../../lib/training/step_report.js'
import { fromArray } from '../../lib/tensor/tensor.js'
import { generator } from '../host_array.js'
import { temporaryFolder } from '../temporary_folder.js'
import { dataset, newModel, trainedConfig } from './synthetic_dataset.js'

const parse = (groups: unknown[]) => groups.map((group) => parameterGroupSchema.parse(group))
const init = { std: 0.5 }
const parameters = () => [
  new Parameter('a.weight', [6, 4], init, true, [2, 4]),
  new Parameter('b.weight', [6, 4], init, true, [6]),
  new Parameter('c.weight', [3, 8], init, true),
  new Parameter('a.bias', [5], init, false),
  new Parameter('c.bias', [7], init, false),
]

/** The values of each after some steps, by name; the learning rates and the clip are those of the step. */
async function stepped(
  settings: OptimizerSettings,
  groups: readonly ParameterGroupOptions[],
  rates: { run: number; groups: readonly number[] },
) {
  const all = parameters()
  using arena = new ParameterArena(all)
  arena.initialize(7)
  const next = generator(3)
  using optimizer = createOptimizer(arena, optimizerSchema.parse(settings), new ParameterGroups(all, groups))
  for (let step = 0; step < 3; step++) {
    for (const parameter of arena.parameters) {
      const values = Float32Array.from({ length: parameter.tensor.elements }, () => next() - 0.5)
      using given = fromArray(values)
      using target = arena.gradients.view([values.length], arena.startOf(parameter))
      target.write(await given.readFloats())
    }
    optimizer.step(rates.run, rates.groups).free()
  }
  const values = new Map<string, Float32Array>()
  for (const parameter of arena.everyParameter) {
    using tensor = arena.valuesOf(parameter)
    values.set(parameter.name, await tensor.readFloats())
  }
  return values
}

describe.each(['adamw', 'muon'] as const)('groups under %s', (type) => {
  const settings = { type, clip: 1e9, weightDecay: 0.1 }

  it('give each parameter what a run with its settings alone would', async () => {
    const groups = parse([{ parameters: ['b.*', 'c.bias'], weightDecay: 0.5 }, { parameters: ['*.bias'] }])
    const found = await stepped(settings, groups, { run: 0.01, groups: [0.03, 0.002] })
    const [run, first, second] = await Promise.all(
      [
        [0.01, 0.1],
        [0.03, 0.5],
        [0.002, 0.1],
      ].map(([rate, weightDecay]) =>
        stepped({ ...settings, weightDecay: weightDecay! }, [], { run: rate!, groups: [] }),
      ),
    )
    for (const [name, values] of Object.entries({
      'a.weight': run,
      'b.weight': first,
      'c.weight': run,
      'a.bias': second,
      'c.bias': first,
    }))
      expect(found.get(name), name).toEqual(values!.get(name))
  })

  it('of the same settings change no bit', async () => {
    const groups = parse([{ parameters: ['a.*'] }, { parameters: ['c.weight'] }])
    expect(await stepped(settings, groups, { run: 0.01, groups: [0.01, 0.01] })).toEqual(
      await stepped(settings, [], { run: 0.01, groups: [] }),
    )
  })
})

describe('a schedule', () => {
  const run = { peak: 1e-3, final: 1e-4, warmupSteps: 10 }
  it.each([
    [{}, run],
    [{ peak: 4e-3 }, { peak: 4e-3, final: 4e-4, warmupSteps: 10 }],
    [
      { peak: 4e-3, final: 0, warmupSteps: 0 },
      { peak: 4e-3, final: 0, warmupSteps: 0 },
    ],
    [{ warmupSteps: 99 }, { ...run, warmupSteps: 99 }],
  ])('with %j of its own takes the rest from the run', (learningRate, expected) => {
    const [group] = parse([{ parameters: ['a'], learningRate }])
    const schedule = groupSchedule(group!, run)
    expect(schedule.peak).toBe(expected.peak)
    expect(schedule.final).toBeCloseTo(expected.final, 12)
    expect(schedule.warmupSteps).toBe(expected.warmupSteps)
  })
})

describe('in training', () => {
  const groups = [
    { parameters: 'image', learningRate: { peak: 6e-3, warmupSteps: 4 } },
    { parameters: ['norm.weight'], learningRate: { peak: 1e-9 } },
  ] as const satisfies TransfusionTrainingSettings['groups']
  const settings = (more: Partial<TransfusionTrainingSettings> = {}): TransfusionTrainingSettings => ({
    steps: 6,
    batchSize: 6,
    learningRate: { peak: 1e-3, final: 1e-4, warmupSteps: 1 },
    ...more,
  })
  type Values = Map<string, Float32Array>

  async function trained(more: Partial<TransfusionTrainingSettings>, stopAt?: number) {
    const folder = await temporaryFolder()
    const reports: StepReport[] = []
    const run = async (signal?: AbortController) => {
      const model = newModel(trainedConfig)
      using network = model.network
      using trainer = new Trainer(model, dataset, settings(more))
      if (reports.length > 0) await trainer.restore(folder)
      await trainer.run({
        ...(signal && { signal: signal.signal }),
        onStep: (report) => {
          reports.push(report)
          if (report.step === stopAt) signal?.abort()
        },
      })
      if (signal) await trainer.save(folder)
      const values: Values = new Map()
      for (const parameter of network.arena.everyParameter) {
        using tensor = network.arena.valuesOf(parameter)
        values.set(parameter.name, await tensor.readFloats())
      }
      return values
    }
    if (stopAt !== undefined) await run(new AbortController())
    return { values: await run(), reports }
  }

  it('take the rates of their schedules, which are reported', async () => {
    const { reports } = await trained({ groups })
    const run = { peak: 1e-3, final: 1e-4, warmupSteps: 1 }
    for (const [i, { learningRate, groupLearningRates }] of reports.entries()) {
      expect(learningRate).toBe(learningRateAt(run, i, i / 6))
      expect(groupLearningRates).toEqual(
        parse([...groups]).map((group) => learningRateAt(groupSchedule(group, run), i, i / 6)),
      )
    }
    const { reports: without } = await trained({ steps: 1 })
    expect(without[0]).not.toHaveProperty('groupLearningRates')
  })

  it("change what they say, the images' parameters alone by theirs", async () => {
    const one = { steps: 1, optimizer: { clip: 1e9 } }
    const { values: usual } = await trained(one)
    const { values } = await trained({
      ...one,
      groups: [{ parameters: 'image', learningRate: { peak: 6e-3 } }],
    })
    const changed = [...values].filter(([name, found]) => !isDeepStrictEqual(found, usual.get(name)))
    expect(changed.map(([name]) => name)).toEqual([...values.keys()].filter(isImageParameter))
  })

  it.each<[string, Partial<TransfusionTrainingSettings>]>([
    ['AdamW', { groups, ema: 0.9 }],
    ['Muon', { groups, optimizer: { type: 'muon' } }],
  ])('go on where they were stopped, bit for bit: %s', async (_, more) => {
    const { values } = await trained(more)
    expect((await trained(more, 3)).values).toEqual(values)
  })

  it.each<[TransfusionTrainingSettings['groups'], string]>([
    [
      [{ parameters: ['norm.wieght'] }],
      'groups[0].parameters: no parameter is "norm.wieght"; did you mean "norm.weight"?',
    ],
    [
      [{ parameters: 'image' }, { parameters: ['patch_encoder.*'] }],
      'groups[1].parameters: no parameter that is trained is of this group',
    ],
    [[{ parameters: 'images' as 'image' }], 'groups[0].parameters'],
    [[{ parameters: 'text', learningRate: { peak: 0 } }], 'groups[0].learningRate.peak'],
  ])('are refused where nothing is of them: %j', (wrong, message) => {
    const model = newModel(trainedConfig)
    using _ = model.network
    expect(() => new Trainer(model, dataset, settings({ groups: wrong }))).toThrow(message)
  })

  it('warn of a warm-up without an end', async () => {
    const model = newModel(trainedConfig)
    using _ = model.network
    using trainer = new Trainer(
      model,
      dataset,
      settings({ steps: 1, groups: [{ parameters: 'image', learningRate: { warmupSteps: 5 } }] }),
    )
    const warnings: string[] = []
    await trainer.run({ onWarning: (message) => warnings.push(message) })
    expect(warnings.join()).toContain('groups[0].learningRate.warmupSteps: 5 of 1 steps')
  })
})
