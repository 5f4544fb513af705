import type { Handle, Kernels } from './kernels.generated.js'

/** Bytes of a device's memory, and counts. */
export interface MemoryInfo {
  /** Held by tensors. */
  live: number
  /** Freed by tensors, kept by the pool for reuse. */
  cached: number
  /** Held by the kernels of a GPU besides tensors; those of the CPU hold theirs outside the limit. */
  scratch: number
  /** The most that was live and scratch at once. */
  peak: number
  /** Allocation beyond it throws. */
  limit: number
  /** Tensors of this JavaScript environment on the device that were not freed. */
  tensors: number
  /** Commands of the device's stream that are not complete. */
  pending: number
}

/** What the CPU is and can do. */
export interface CpuInfo {
  /** The SIMD target that our kernels run on: AVX3 (AVX-512), AVX2, NEON, SCALAR ... */
  simd: string
  /** True where bf16 matrix products run in hardware. */
  nativeBf16: boolean
  /** Processors that this process may use. */
  processors: number
}

/** What a GPU is and can do. */
export interface GpuInfo {
  /** As its maker calls it. */
  name: string
  /** Of NVIDIA's architectures: "8.0", "9.0" ... */
  computeCapability: string
  /** How many it has: a kernel's blocks are spread over them. */
  multiprocessors: number
  /** Bytes, all of them. */
  memory: number
  /** Every GPU that is taken has tensor cores for bf16. */
  nativeBf16: true
  /** The newest version of CUDA that the driver knows: "12.4". */
  driver: string
  /** What our kernels run as: "machine code for 8.0", or "PTX", which the driver compiles. */
  kernels: string
  /** Tells builds whose kernels differ apart. */
  build: string
  /** The version of cuBLASLt that was found, "13.1.0"; "": none. */
  cublaslt: string
  /** The file it came from, or why there is none. */
  cublasltPlace: string
}

/** What a device is and can do. */
export type DeviceInfo = CpuInfo | GpuInfo

/** A profile that is open, as the addon knows it. */
export interface NativeProfileHandle {
  readonly brand: 'profile'
}

/** Ways that products take, as the addon knows them. */
export interface NativeProducts {
  readonly brand: 'products'
}

/** A product y [batch, m, n] of matrices, as its way may depend on it; dtypes by number. */
export interface NativeProductShape {
  /** Of both operands. */
  dtype: number
  yDtype: number
  transposeA: boolean
  transposeB: boolean
  bias: boolean
  /** Added to what y holds. */
  accumulate: boolean
  /** All rows of a and b are whole runs of 16 bytes, at multiples of 16. */
  aligned: boolean
  batch: number
  m: number
  n: number
  k: number
}

/** What a profile counted; times in milliseconds. */
export interface NativeProfile {
  time: number
  idle: number
  kernels: {
    name: string
    /** `argument`: its number in the contract; lists have several tensors of one. */
    tensors: { argument: number; dtype: number; shape: number[] }[]
    calls: number
    time: number
    bytesRead: number
    bytesWritten: number
    flops: number
  }[]
  /** Single calls: which of `kernels`, when from the profile's begin, how long. */
  spans: { entries: Uint32Array; starts: Float64Array; times: Float64Array; leftOut: number }
}

/** A device that is there. */
export type DeviceName = 'cpu' | `cuda:${number}`

/** A device, as the addon numbers it: its place among `devices()`; left out, the CPU. */
export type DeviceNumber = number

/** What the addon exports: the kernels of native/kernels.h, and what lib/tensor wraps. */
export interface NativeAddon extends Kernels {
  create(dtype: number, shape: readonly number[], device?: DeviceNumber): Handle
  view(tensor: Handle, offset: number, dtype: number, shape: readonly number[]): Handle
  release(tensor: Handle): void
  upload(tensor: Handle, data: NodeJS.TypedArray): void
  read(tensor: Handle): Promise<ArrayBuffer>
  fence(device?: DeviceNumber): Promise<void>
  create_job(): number
  set_job(job: number): void
  cancel_job(job: number): void
  release_job(job: number): void
  devices(): { name: DeviceName; refusal: string }[]
  open_cuda(library: string, version: string, driver: string): string
  open_device(device: DeviceNumber): void
  device_info(): CpuInfo
  device_info(device: DeviceNumber): DeviceInfo
  memory(device?: DeviceNumber): MemoryInfo
  set_memory_limit(bytes: number, device?: DeviceNumber): void
  trim_memory(device?: DeviceNumber): void
  set_threads(threads: number): void
  lock_file(descriptor: number): number
  create_products(): NativeProducts
  /** Of the kernels that are called from now on. */
  use_products(products: NativeProducts | undefined): void
  set_product(products: NativeProducts, shape: NativeProductShape, way: string, measured: boolean): void
  list_products(
    products: NativeProducts,
  ): { shape: NativeProductShape; way: string; measured: boolean; calls: number }[]
  /** JSON of `{ way, milliseconds }[]`. */
  measure_product(shape: NativeProductShape, samples: number, device: DeviceNumber): Promise<ArrayBuffer>
  profile_start(spans: number, device?: DeviceNumber): NativeProfileHandle
  profile_stop(profile: NativeProfileHandle): NativeProfile
  /** The text of the kernel list this binary was built from, one kernel a line. */
  contract: string
}
