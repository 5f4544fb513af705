/** What the names of image files end with that are decoded, in lower case. What counts then is their content. */
const DECODED = [
  '.png',
  '.jpg',
  '.jpeg',
  '.jpe',
  '.jfif',
  '.webp',
  '.gif',
  '.tif',
  '.tiff',
  '.avif',
  '.svg',
  '.svgz',
  '.apng',
]

/** Formats that are known for images but not decoded: with a caption, such a file is a document that cannot be read. */
// prettier-ignore
const NOT_DECODED = [
  '.bmp', '.dib', '.heic', '.heif', '.hif', '.jp2', '.j2k', '.jpx', '.jxl', '.psd', '.psb', '.xcf', '.ico', '.icns', '.tga',
  '.dds', '.pcx', '.pbm', '.pgm', '.ppm', '.pnm', '.pam', '.exr', '.hdr', '.dng', '.cr2', '.cr3', '.nef', '.arw', '.raf',
  '.orf', '.rw2', '.eps', '.qoi',
]

/** What an image file's name ends with, in lower case: first what is decoded. */
export const IMAGE_EXTENSIONS: ReadonlySet<string> = new Set([...DECODED, ...NOT_DECODED])

/** Whether files whose names end so, in lower case, are decoded. */
export const isDecoded = (extension: string): boolean => DECODED.includes(extension)

/** For messages. */
export const imageKinds = '.png, .jpg, .webp, .gif, .tiff, .avif or .svg'
