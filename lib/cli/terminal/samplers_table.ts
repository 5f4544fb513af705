import {
  cheapestSetting,
  type ReferenceMetrics,
  type SamplerMetrics,
  type SamplerSetting,
  worseMetrics,
} from '../../evaluation/compare_samplers.js'

const widths = [10, 7, 7, 16, 17, 16, 10]
const row = (...cells: string[]): string =>
  cells
    .map((cell, i) => cell.padEnd(widths[i] ?? 0))
    .join('')
    .trimEnd()

/** The table's first lines: its columns, and the bounds between which metrics lie. */
export function tableHead({
  classifier_accuracy,
  frechet_training,
  frechet_class_means,
}: ReferenceMetrics): string {
  return [
    row('sampler', 'steps', 'calls', '% accuracy', 'diversity', 'Fréchet', 's/image', 'worse in'),
    row('real', '', '', percent(classifier_accuracy), '1', frechet_training.toFixed(2)),
    row('means', '', '', '', '0', frechet_class_means.toFixed(2)),
  ].join('\n')
}

/** A setting's metrics, and in which it is worse than the reference. */
export function tableLine(setting: SamplerMetrics, reference: SamplerMetrics): string {
  const { sampler, steps, calls, metrics, errors, secondsPerImage } = setting
  const worse = worseMetrics(setting, reference).map((name) => names[name])
  return row(
    sampler,
    String(steps),
    String(calls),
    `${percent(metrics.image_accuracy)} ± ${percent(errors.image_accuracy)}`,
    `${metrics.diversity.toFixed(3)} ± ${errors.diversity.toFixed(3)}`,
    `${metrics.frechet.toFixed(2)} ± ${errors.frechet.toFixed(2)}`,
    secondsPerImage.toFixed(4),
    setting === reference ? '(the reference)' : worse.join(', ') || 'none',
  )
}

/** Which setting is cheapest of those that keep the quality of the first, and what that means. */
export function conclusion(found: readonly SamplerMetrics[], images: number): string {
  const reference = found[0]!
  const cheapest = cheapestSetting(found, reference)
  return (
    (cheapest === reference
      ? `No cheaper setting keeps the quality of ${nameOf(reference)}.`
      : `The cheapest setting that keeps the quality of ${nameOf(reference)} is ${nameOf(cheapest)}: ` +
        `${cheapest.calls} calls of the network for an image instead of ${reference.calls}.`) +
    `\nKept means: of accuracy, diversity and Fréchet distance none is worse by more than two standard errors of ` +
    `the difference (±: one standard error, over ${images} images).`
  )
}

const names = { image_accuracy: 'accuracy', diversity: 'diversity', frechet: 'Fréchet' } as const

const nameOf = ({ sampler, steps }: SamplerSetting): string => `${sampler} with ${steps} steps`

const percent = (share: number): string => (100 * share).toFixed(1)
