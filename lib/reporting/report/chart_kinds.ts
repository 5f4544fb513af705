import { rateMeasure, rateOf, samplesMeasure, samplesOf, termMeasure, termOf } from './curves.js'

/** How a measure is drawn. */
export interface ChartKind {
  title: string
  unit: string
  meaning: string
  measure: string
  /** Whether the switch to a logarithmic axis applies, and smoothing. */
  log: boolean
  noisy: boolean
}

const knownKinds: readonly ChartKind[] = [
  {
    measure: termMeasure('lm'),
    title: 'Text loss',
    unit: 'nats per token',
    meaning: 'Mean cross-entropy of the next token; lower is better.',
    log: true,
    noisy: true,
  },
  {
    measure: termMeasure('diffusion'),
    title: 'Image loss',
    unit: 'weighted squared error',
    meaning: 'Mean error of what the network says of noised images; lower is better.',
    log: true,
    noisy: true,
  },
  {
    measure: termMeasure('reconstruction'),
    title: 'Reconstruction',
    unit: 'mean error of a value',
    meaning:
      'How far reconstructions are from images of -1 to 1, by absolute or squared differences; lower is better.',
    log: true,
    noisy: true,
  },
  {
    measure: termMeasure('kl'),
    title: 'Divergence of latents',
    unit: 'nats per latent',
    meaning:
      'From a standard normal distribution, summed over the values of a latent: how much the latents say of their image.',
    log: true,
    noisy: true,
  },
  {
    measure: termMeasure('perceptual'),
    title: 'Perceptual distance',
    unit: 'per image',
    meaning: 'How different reconstructions look from images, by the features of a network; lower is better.',
    log: true,
    noisy: true,
  },
  {
    measure: termMeasure('identity'),
    title: 'Identity',
    unit: '1 - cosine',
    meaning:
      'How much reconstructions show something else than images, by the features of a network; lower is better.',
    log: true,
    noisy: true,
  },
  {
    measure: termMeasure('generator'),
    title: 'Generator',
    unit: 'minus logits',
    meaning:
      'How little reconstructions look like images to the discriminator; it learns as well, so that neither curve need fall.',
    log: false,
    noisy: true,
  },
  {
    measure: termMeasure('discriminator'),
    title: 'Discriminator',
    unit: 'hinge loss',
    meaning: '1 where it cannot tell reconstructions from images, 0 where it always can.',
    log: false,
    noisy: true,
  },
  {
    measure: termMeasure('adversarial_weight'),
    title: 'Adversarial weight',
    unit: 'factor',
    meaning: "By which the generator's term counts, adapted to the gradients.",
    log: true,
    noisy: true,
  },
  {
    measure: termMeasure('codebook'),
    title: 'Codebook',
    unit: 'squared distance',
    meaning: 'How far codes are from the vectors that are rounded to them; lower is better.',
    log: true,
    noisy: true,
  },
  {
    measure: termMeasure('commitment'),
    title: 'Commitment',
    unit: 'squared distance',
    meaning: 'How far vectors are from their codes, which moves the encoder; lower is better.',
    log: true,
    noisy: true,
  },
  {
    measure: termMeasure('codes_used'),
    title: 'Codes used',
    unit: 'codes',
    meaning: 'That a vector of the batch was rounded to; higher is better.',
    log: false,
    noisy: true,
  },
  {
    measure: termMeasure('perplexity'),
    title: 'Perplexity of codes',
    unit: 'codes',
    meaning: 'As many equally frequent codes would say as much, of a batch; higher is better.',
    log: false,
    noisy: true,
  },
  {
    measure: termMeasure('recent_codes_used'),
    title: 'Codes used, recently',
    unit: 'codes',
    meaning: 'The same as of the batch, of about a hundred steps.',
    log: false,
    noisy: true,
  },
  {
    measure: termMeasure('recent_perplexity'),
    title: 'Perplexity of codes, recently',
    unit: 'codes',
    meaning: 'The same as of the batch, of about a hundred steps.',
    log: false,
    noisy: true,
  },
  {
    measure: samplesMeasure('psnr'),
    title: 'PSNR of reconstructions',
    unit: 'dB',
    meaning: 'Peak signal-to-noise ratio, mean over the images on the sheet; higher is better.',
    log: false,
    noisy: false,
  },
  {
    measure: samplesMeasure('ssim'),
    title: 'SSIM of reconstructions',
    unit: 'of 1',
    meaning: 'Structural similarity, mean over the images on the sheet; 1 is the original.',
    log: false,
    noisy: false,
  },
  {
    measure: 'gradient_norm',
    title: 'Gradient norm',
    unit: 'before clipping',
    meaning: 'Red rings are spikes: norms that stand out from those before.',
    log: true,
    noisy: true,
  },
  {
    measure: 'learning_rate',
    title: 'Learning rate',
    unit: 'per step',
    meaning: 'As the schedule has it.',
    log: true,
    noisy: false,
  },
  {
    measure: rateMeasure('positions'),
    title: 'Speed',
    unit: 'positions per second',
    meaning: 'Tokens and patches learned from, by the time of training alone.',
    log: false,
    noisy: true,
  },
  {
    measure: 'matmul_share',
    title: 'Share of the matmul rate',
    unit: "of the machine's rate",
    meaning: 'Operations of matrix products, of what the machine does of them at best.',
    log: false,
    noisy: true,
  },
  {
    measure: 'skipped_steps',
    title: 'Steps skipped',
    unit: 'so far',
    meaning: 'Steps whose gradient was not finite; the weights stayed as they were.',
    log: false,
    noisy: false,
  },
  {
    measure: 'skipped_documents',
    title: 'Documents skipped',
    unit: 'so far',
    meaning: 'Documents that could not be read.',
    log: false,
    noisy: false,
  },
]

/** How the measures are drawn, those that are known first; what has no chart is left out. */
export function chartKinds(measures: readonly string[]): ChartKind[] {
  const known = knownKinds.filter(({ measure }) => measures.includes(measure))
  const others = measures.filter((measure) => !known.some((kind) => kind.measure === measure))
  return [...known, ...others.flatMap((measure) => kindOf(measure) ?? [])]
}

/** How a measure is drawn of which nothing is known but its name. */
function kindOf(measure: string): ChartKind | undefined {
  const term = termOf(measure)
  if (term !== undefined)
    return {
      measure,
      title: `Loss: ${term}`,
      unit: 'mean of a batch',
      meaning: 'A term of the loss; lower is better.',
      log: true,
      noisy: true,
    }
  const sample = samplesOf(measure)
  if (sample !== undefined)
    return {
      measure,
      title: `Samples: ${sample}`,
      unit: 'mean of a sheet',
      meaning: 'Measured of the samples.',
      log: false,
      noisy: false,
    }
  const count = rateOf(measure)
  if (count === undefined) return undefined
  return {
    measure,
    title: `Speed: ${count}`,
    unit: `${count} per second`,
    meaning: 'By the time of training alone.',
    log: false,
    noisy: true,
  }
}
