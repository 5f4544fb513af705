/** Networks that compare an autoencoder's reconstructions with the images, as a caller gives them to its trainer. */
import { checkArguments, checkOptions, wrongArgument } from '../../../arguments.js'
import type { ImageSize } from '../../../image/image.js'
import type { ConvolutionWork } from '../../../nn/convolution_work.js'
import type { Tensor } from '../../../tensor/tensor.js'
import { type FeatureNetwork, identityLoss } from './identity.js'

/** How different two images look; `Lpips` is one. */
export interface PerceptualNetwork {
  /** reconstructions y and images x [N, H, W, C] f32 of -1..1 -> [N] f32, of ops that are differentiable in y. */
  distance(y: Tensor, x: Tensor): Tensor
  /** Of its convolutions of one image, for the count of a step's products; absent: they are not counted. */
  workOn?(image: ImageSize): ConvolutionWork
}

/** A network and the weight of its term in the loss. */
export interface JudgeTerm<Network> {
  /** Stays as it is: nothing may ask for its arena's gradients. */
  readonly network: Network
  /** By default the paper's: 1 of the perceptual term, 0.2 of the identity's. */
  readonly weight?: number
}

/** The networks that a caller gives; the loss has no term of those that are absent. */
export interface GivenJudges {
  /** LPIPS, say (Zhang et al. 2018). */
  readonly perceptual?: JudgeTerm<PerceptualNetwork> | undefined
  /** Its features tell what images show. */
  readonly identity?: JudgeTerm<FeatureNetwork> | undefined
}

/** The terms of the judges that there are: losses [N] f32 of reconstructions y against images x, and their weights. */
export function judgments(
  { perceptual, identity }: GivenJudges,
  y: Tensor,
  x: Tensor,
): { name: string; losses: Tensor; weight: number }[] {
  const terms = []
  if (perceptual) {
    const { network, weight = 1 } = perceptual
    terms.push({ name: 'perceptual', losses: network.distance(y, x), weight })
  }
  if (identity) {
    const { network, weight = 0.2 } = identity
    terms.push({ name: 'identity', losses: identityLoss(network, y, x), weight })
  }
  return terms
}

/** Throws a TypeError that names what is wrong with the networks that were given. */
export function checkJudges(callee: string, judges: GivenJudges): void {
  checkOptions(callee, judges, { perceptual: true, identity: true }, 'judges')
  checkTerm(callee, 'perceptual', judges.perceptual, 'distance')
  checkTerm(callee, 'identity', judges.identity, 'features')
}

function checkTerm<Network extends object>(
  callee: string,
  name: string,
  term: JudgeTerm<Network> | undefined,
  method: keyof Network & string,
): void {
  if (term === undefined) return
  checkOptions(callee, term, { network: true, weight: true }, `judges.${name}`)
  const { network, weight = 1 } = term
  checkArguments(callee, { [`judges.${name}.network`]: [network, 'object'] })
  checkArguments(callee, { [`judges.${name}.network.${method}`]: [network[method], 'function'] })
  if (!(weight >= 0 && weight < Infinity))
    throw wrongArgument(callee, `judges.${name}.weight`, 'a number of at least 0', weight)
}
