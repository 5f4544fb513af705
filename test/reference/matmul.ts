import type { HostArray } from '../host_array.js'

interface Options {
  transposeA?: boolean
  transposeB?: boolean
  bias?: HostArray | undefined
}

/** op(a) op(b) + bias in float64; [M, K] by [K, N], or lists of such matrices of equal length. */
export function matmul(
  a: HostArray,
  b: HostArray,
  { transposeA, transposeB, bias }: Options = {},
): HostArray {
  const [K, M] = transposeA ? a.shape.slice(-2) : a.shape.slice(-2).toReversed()
  const N = b.shape.at(transposeB ? -2 : -1)!
  const batch = a.shape.length === 3 ? a.shape[0]! : 1
  const data = new Float64Array(batch * M! * N)
  for (let i = 0; i < batch; i++)
    for (let m = 0; m < M!; m++)
      for (let n = 0; n < N; n++) {
        let sum = bias?.data[n] ?? 0
        for (let k = 0; k < K!; k++) {
          const left = a.data[i * M! * K! + (transposeA ? k * M! + m : m * K! + k)]!
          const right = b.data[i * K! * N + (transposeB ? n * K! + k : k * N + n)]!
          sum += left * right
        }
        data[(i * M! + m) * N + n] = sum
      }
  return { shape: [...a.shape.slice(0, -2), M!, N], data }
}
