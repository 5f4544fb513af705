/**
 * Whether positions of images alone use a parameter: those of the patch encoder and decoder, and image positions' own copies
 * of the transformer's. All others are the text's.
 */
export const isImageParameter = (name: string): boolean =>
  /^(patch_encoder|patch_decoder|image|layers\.\d+\.image)\./.test(name)

/**
 * The text's parameter of which one of an image position's own is the counterpart, "norm.weight" of "image.norm.weight";
 * undefined for all other parameters.
 */
export function textCounterpart(name: string): string | undefined {
  const [, layer = '', rest] = /^(layers\.\d+\.)?image\.(.+)$/.exec(name) ?? []
  return rest === undefined ? undefined : layer + rest
}
