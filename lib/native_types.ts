import type { Kernels } from './kernels.generated.js'

/** What the addon exports. */
export interface NativeAddon extends Kernels {}
