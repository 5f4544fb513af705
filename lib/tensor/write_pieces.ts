import { type Device, fence } from './device.js'
import type { Tensor } from './tensor.js'

/** Elements that are copied at once: the event loop turns between them, and a busy stream holds no copy of all. */
const writtenAtOnce = 2 ** 22

/** Writes many values to a device by `write`, piece after piece, each with the number of the element that it begins at. */
export async function writePieces<Values extends Parameters<Tensor['write']>[0]>(
  values: Values,
  device: Device,
  write: (piece: Values, start: number) => void,
): Promise<void> {
  for (let start = 0; start < values.length; start += writtenAtOnce) {
    write(values.subarray(start, start + writtenAtOnce) as Values, start)
    await fence(device)
  }
}
