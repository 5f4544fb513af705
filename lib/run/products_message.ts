import { deviceInfo } from '../tensor/device.js'
import { productMachine, readProducts } from '../tensor/product_store.js'
import type { TrainConfig } from './train_config.js'

/** How a new run's matrix products are computed, in a line; undefined on the CPU, whose products have one way. */
export async function productsMessage({
  device,
  precision,
  training,
}: TrainConfig): Promise<string | undefined> {
  const info = deviceInfo(device)
  const machine = productMachine(device)
  if (!machine || !('cublaslt' in info)) return undefined
  if (training.products === 'own') return 'matrix products: by our own kernels, as training.products says'
  // What is wrong with the file is said where it is read to be used.
  const measured = await readProducts(machine).catch(() => [])
  if (measured.length > 0)
    return `matrix products: as \`transfusion tune\` has measured ${measured.length} of them on this GPU`
  if (precision === 'f32') return 'matrix products: by our own kernels, which alone compute in f32'
  const tune = '`transfusion tune` with this config measures what is fastest'
  return info.cublaslt === ''
    ? `matrix products: by our own kernels; there is no cuBLASLt: ${info.cublasltPlace}; ${tune}`
    : `matrix products: large ones by cuBLASLt ${info.cublaslt}, as it proposes; ${tune}`
}
