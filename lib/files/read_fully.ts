import type { FileHandle } from 'node:fs/promises'

/** Linux reads at most 2 GiB at once, and any read may return fewer bytes than it was called for. */
const largestTransfer = 2 ** 30

/**
 * Fills `array` with the file's bytes from `position` on.
 * @throws Error, which `cutShort` makes of a message, where the file ends before
 */
export async function readFully<T extends NodeJS.TypedArray>(
  file: Pick<FileHandle, 'read'>,
  array: T,
  position: number,
  path: string,
  cutShort: new (message: string) => Error = Error,
): Promise<T> {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  for (let done = 0; done < bytes.length;) {
    const length = Math.min(bytes.length - done, largestTransfer)
    const { bytesRead } = await file.read(bytes, done, length, position + done)
    if (bytesRead === 0) throw new cutShort(`${path}: was cut short while it was read`)
    done += bytesRead
  }
  return array
}
