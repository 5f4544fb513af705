/** What a step computes. */
export interface BatchWork {
  /** Positions of the batch, patches included. */
  positions: number
  /** Positions that have a token to learn. */
  targets: number
  /** Images of the batch. */
  images: number
  /** Floating-point operations of the step's matrix products, see `trainingFlops`. */
  flops: number
  /** Documents that could not be read, so far. */
  skippedDocuments: number
}

/** What one step reports, once the device has done it. */
export interface StepReport extends BatchWork {
  /** Steps done, this one included. */
  step: number
  /** 0..1, of the steps or of the time. */
  progress: number
  /**
   * Mean cross-entropy per target token, in nats; NaN in a batch without targets. What label smoothing and z-loss add is
   * trained on but not counted here, so that runs with and without them compare.
   */
  lm: number
  /** The weighted diffusion loss, mean over images; NaN in a batch without images. */
  diffusion: number
  /** Of all gradients together, before they are clipped. */
  gradientNorm: number
  /** False when the gradient was not finite and the weights were left as they were. */
  applied: boolean
  /** Whether the norm stands out from those before. */
  gradientSpike: boolean
  /** Of this step. */
  learningRate: number
  /** Steps so far that were not applied. */
  skippedSteps: number
  /** Seconds of training so far. */
  seconds: number
}
