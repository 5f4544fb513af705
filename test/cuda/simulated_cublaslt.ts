import { dirname, join } from 'node:path'

/** What stands in for cuBLASLt on the simulated driver: beside it. */
export const simulatedCublasLt = join(
  dirname(process.env['TRANSFUSION_CUDA_DRIVER']!),
  'libsimulated_cublaslt.so',
)
