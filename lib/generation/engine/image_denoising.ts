import { concat } from '../../ops/concat.js'
import { denoise } from '../../ops/denoise.js'
import { rowSeeds } from '../../random.js'
import { fromArray, type Tensor } from '../../tensor/tensor.js'
import type { ValueRange } from '../../image/codec.js'
import { coefficientsAt } from '../image_sampling.js'
import type { DenoisingState } from './image_states.js'
import type { GenerativeImages } from '../model.js'
import { denoisingKindOf, type ModelBatch } from './model_batch.js'
import type { DenoisingRequest } from './scheduled_request.js'

/** Coefficients of one image in a call of the op `denoise`. */
const coefficientCount = 7

/**
 * One sampler step of all images that a batch denoises: states [N, values] to states. `predicted` [(N + G) pixels,
 * channels] is the network's prediction: of the N images, then of the G guided ones without the condition.
 */
export function denoiseImages(
  { denoising, guided }: Pick<ModelBatch, 'denoising' | 'guided'>,
  predicted: Tensor,
  before: DenoisingState,
  { height, width, channels }: GenerativeImages,
): DenoisingState {
  const pixels = height * width
  const values = pixels * channels
  const rowsOf = (tensor: Tensor, first: number, count: number) =>
    tensor.view([count * pixels, channels], first * values)
  const pieces: { y: Tensor; x0: Tensor }[] = []
  for (let first = 0; first < denoising.length;) {
    const group = sameKindFrom(denoising, first)
    const { length: count } = group
    const imageRows = Int32Array.from({ length: count + 1 }, (_, i) => i * pixels)
    const coefficients = new Float32Array(count * coefficientCount)
    const seeds = new Int32Array(count * 4)
    group.forEach(({ generation, input }, i) => {
      coefficients.set(coefficientsAt(generation.request.imageSampling, input.step), i * coefficientCount)
      seeds.set(rowSeeds([generation.imageSeed], 'noise', input.step + 1), i * 4)
    })
    pieces.push(
      denoise({
        x: rowsOf(before.x, first, count),
        conditional: rowsOf(predicted, first, count),
        unconditional: first < guided ? rowsOf(predicted, denoising.length + first, count) : undefined,
        previousX0: rowsOf(before.x0, first, count),
        imageRows: fromArray(imageRows),
        coefficients: fromArray(coefficients, [count, coefficientCount]),
        seeds: fromArray(seeds, [count, 4]),
        clip: clipOf(group[0]!),
      }),
    )
    first += count
  }
  const joined = (name: 'y' | 'x0') => {
    const tensors = pieces.map((piece) => piece[name])
    return (tensors.length > 1 ? concat(tensors, 0) : tensors[0]!).view([denoising.length, values])
  }
  return { x: joined('y'), x0: joined('x0') }
}

/** The requests from `first` on that one call of the kernel can denoise. */
function sameKindFrom(denoising: readonly DenoisingRequest[], first: number): readonly DenoisingRequest[] {
  const kind = denoisingKindOf(denoising[first]!)
  const clip = clipOf(denoising[first]!)
  const end = denoising.findIndex(
    (request, i) => i > first && !(denoisingKindOf(request) === kind && isSameRange(clipOf(request), clip)),
  )
  return denoising.slice(first, end < 0 ? undefined : end)
}

const clipOf = ({ generation }: DenoisingRequest): ValueRange | undefined =>
  generation.request.imageSampling.clip

const isSameRange = (a: ValueRange | undefined, b: ValueRange | undefined): boolean =>
  a?.[0] === b?.[0] && a?.[1] === b?.[1]
