import { open } from 'node:fs/promises'
import { fileTypeOf } from './file_type.js'

/** Bytes of a file's beginning that tell its format. */
const headSize = 4100

/** Whether a file that begins with `bytes` is an image, of a format that is decoded or of another. */
export async function beginsAsImage(bytes: Uint8Array): Promise<boolean> {
  const type = await fileTypeOf(bytes.subarray(0, headSize))
  return type?.mime.startsWith('image/') ?? false
}

/** Whether a file is an image by its content; not where it cannot be read. */
export async function isImageFile(path: string): Promise<boolean> {
  try {
    await using file = await open(path)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headSize))
    return await beginsAsImage(buffer.subarray(0, bytesRead))
  } catch {
    return false
  }
}
