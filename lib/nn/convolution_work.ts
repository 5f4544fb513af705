import type { ImageSize } from '../image/image.js'

/** What convolutions make of one image, counted to tell what a step costs. */
export interface ConvolutionWork {
  /** Multiplications of their products. */
  readonly products: number
  /** Values that they give. */
  readonly values: number
}

/** What a network of convolutions takes of memory and of a step's products. */
export interface NetworkCosts {
  readonly parameters: number
  /** Of one image. */
  workOn(image: ImageSize): ConvolutionWork
}

/** The work of several layers or networks together. */
export const totalWork = (works: readonly ConvolutionWork[]): ConvolutionWork => ({
  products: works.reduce((sum, { products }) => sum + products, 0),
  values: works.reduce((sum, { values }) => sum + values, 0),
})
