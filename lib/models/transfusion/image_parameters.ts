/**
 * Whether positions of images alone use a parameter: those of the patch encoder and decoder, and image positions' own copies
 * of the transformer's. All others are the text's.
 */
export const isImageParameter = (name: string): boolean =>
  /^(patch_encoder|patch_decoder|image|layers\.\d+\.image)\./.test(name)
