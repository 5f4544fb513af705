/**
 * sharp, imported by the first image that is decoded or encoded: with libvips it takes 0.1 s and 25 MB, which a program that
 * handles text alone need not spend.
 */
export const loadSharp = async () => (await import('sharp')).default
