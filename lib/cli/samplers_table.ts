import {
  cheapestSetting,
  type ReferenceFigures,
  type SamplerFigures,
  type SamplerSetting,
  worseFigures,
} from '../evaluation/compare_samplers.js'

const widths = [10, 7, 7, 16, 17, 16, 10]
const row = (...cells: string[]): string =>
  cells
    .map((cell, i) => cell.padEnd(widths[i] ?? 0))
    .join('')
    .trimEnd()

/** The table's first lines: its columns, and between which bounds figures lie. */
export function tableHead({
  judge_accuracy,
  frechet_training,
  frechet_class_means,
}: ReferenceFigures): string {
  return [
    row('sampler', 'steps', 'calls', '% right', 'diversity', 'Fréchet', 's/image', 'worse in'),
    row('real', '', '', percent(judge_accuracy), '1', frechet_training.toFixed(2)),
    row('means', '', '', '', '0', frechet_class_means.toFixed(2)),
  ].join('\n')
}

/** A setting's figures, and in which it is worse than the reference. */
export function tableLine(setting: SamplerFigures, reference: SamplerFigures): string {
  const { sampler, steps, calls, figures, errors, secondsPerImage } = setting
  const worse = worseFigures(setting, reference).map((name) => names[name])
  return row(
    sampler,
    String(steps),
    String(calls),
    `${percent(figures.image_accuracy)} ± ${percent(errors.image_accuracy)}`,
    `${figures.diversity.toFixed(3)} ± ${errors.diversity.toFixed(3)}`,
    `${figures.frechet.toFixed(2)} ± ${errors.frechet.toFixed(2)}`,
    secondsPerImage.toFixed(4),
    setting === reference ? '(the reference)' : worse.join(', ') || 'none',
  )
}

/** Which setting is cheapest of those that keep the quality of the first, and what that means. */
export function conclusion(found: readonly SamplerFigures[], images: number): string {
  const reference = found[0]!
  const cheapest = cheapestSetting(found, reference)
  return (
    (cheapest === reference
      ? `No cheaper setting keeps the quality of ${nameOf(reference)}.`
      : `The cheapest setting that keeps the quality of ${nameOf(reference)} is ${nameOf(cheapest)}: ` +
        `${cheapest.calls} calls of the network for an image instead of ${reference.calls}.`) +
    `\nKept means: of right classes, diversity and Fréchet distance none is worse by more than two standard errors of ` +
    `the difference (±: one standard error, over ${images} images).`
  )
}

const names = { image_accuracy: 'right', diversity: 'diversity', frechet: 'Fréchet' } as const

const nameOf = ({ sampler, steps }: SamplerSetting): string => `${sampler} with ${steps} steps`

const percent = (share: number): string => (100 * share).toFixed(1)
