/** What the names of image files end with that are decoded, in lower case. What counts then is their content. */
const decoded = [
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
const notDecoded = [
  '.bmp', '.dib', '.heic', '.heif', '.hif', '.jp2', '.j2k', '.jpx', '.jxl', '.psd', '.psb', '.xcf', '.ico', '.icns', '.tga',
  '.dds', '.pcx', '.pbm', '.pgm', '.ppm', '.pnm', '.pam', '.exr', '.hdr', '.dng', '.cr2', '.cr3', '.nef', '.arw', '.raf',
  '.orf', '.rw2', '.eps', '.qoi',
]

/** What an image file's name ends with, in lower case: first what is decoded. */
export const imageExtensions: ReadonlySet<string> = new Set([...decoded, ...notDecoded])

/** Whether files whose names end so, in lower case, are decoded. */
export const isDecoded = (extension: string): boolean => decoded.includes(extension)

/** For messages. */
export const imageKinds = '.png, .jpg, .webp, .gif, .tiff, .avif or .svg'
