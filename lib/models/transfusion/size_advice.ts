import { checkArguments } from '../../arguments.js'
import type { Objective } from '../../diffusion/objective.js'
import type { TransfusionConfig } from './config.js'

/**
 * Advice, a line each, on sizes with which a model learns but generates badly; empty where there is none. `transfusion train`
 * prints it.
 *
 * A patch of P x P pixels has P^2 * channels values, and a linear layer makes them of a vector of C: it reaches C dimensions.
 * Pictures lie in few, but noise is in all of them: where the network gives noise (eps, v, velocity) a share of
 * 1 - C / values of it is out of reach, whatever the training. An x0 prediction asks for no noise (Li & He 2025, "Back to
 * basics"), and a U-Net hands it past the transformer. docs/image-sizes.md has measurements.
 */
export function sizeAdvice(config: TransfusionConfig, objective: Objective): string[] {
  checkArguments('sizeAdvice', { config: [config, 'config'], objective: [objective, 'objective'] })
  const { channels, heads, image } = config
  const { prediction } = objective
  const valuesOf = (patch: number) => patch ** 2 * image.channels
  const values = valuesOf(image.patch)
  if (image.codes || image.unet || prediction === 'x0' || values <= channels) return []
  const smaller = largest(image.patch, (patch) => image.patch % patch === 0 && valuesOf(patch) <= channels)
  const wider = 2 * heads * Math.ceil(values / (2 * heads))
  return [
    `image.patch: a patch of ${image.patch} x ${image.patch} x ${image.channels} has ${values} values, more than the model's ` +
      `${channels} channels, so that a prediction of ${prediction} loses ${Math.round(100 * (1 - channels / values))}% of the ` +
      'noise and generated images stay speckled; set "objective": {"prediction": "x0", "weighting": "v"}' +
      (smaller === undefined ? '' : `, image.patch to ${smaller}`) +
      ` or channels to ${wider}`,
  ]
}

const largest = (most: number, fits: (value: number) => boolean): number | undefined =>
  Array.from({ length: most }, (_, i) => most - i).find(fits)
