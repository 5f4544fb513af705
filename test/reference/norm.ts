import type { HostArray } from '../host_array.js'

export interface NormArrays {
  x: HostArray
  weight: HostArray
  bias: HostArray
}

/**
 * Group norm of x [.., C], read as `images` images of channels-last positions: mean and variance over all positions
 * of an image and the channels of a group. Layer norm has as many images as rows, and one group.
 */
export function normReference(
  { x, weight, bias }: NormArrays,
  images: number,
  groups: number,
  silu: boolean,
  eps = 1e-5,
): HostArray {
  const C = x.shape.at(-1)!
  const size = x.data.length / images
  const groupOf = (i: number) => Math.floor(i / size) * groups + Math.floor((i % C) / (C / groups))
  const count = size / groups
  const means = new Float64Array(images * groups)
  x.data.forEach((value, i) => (means[groupOf(i)]! += value / count))
  const variances = new Float64Array(images * groups)
  x.data.forEach((value, i) => (variances[groupOf(i)]! += (value - means[groupOf(i)]!) ** 2 / count))
  const data = x.data.map((value, i) => {
    const normal = (value - means[groupOf(i)]!) / Math.sqrt(variances[groupOf(i)]! + eps)
    const h = normal * weight.data[i % C]! + bias.data[i % C]!
    return silu ? h / (1 + Math.exp(-h)) : h
  })
  return { shape: x.shape, data }
}
