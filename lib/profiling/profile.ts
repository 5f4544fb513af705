import { checkOptions } from '../arguments.js'
import { native } from '../native.js'
import type { NativeProfile } from '../native_types.js'
import { currentDevice, type Device, deviceNumber, fence, parseDevice } from '../tensor/device.js'
import { type DType, dtypeCodes } from '../tensor/dtype.js'
import type { Shape } from '../tensor/shape.js'

/** What is counted of calls of one kernel. */
export interface KernelWork {
  /** How often it ran. */
  calls: number
  /** In milliseconds. */
  time: number
  /** Of the tensors that it takes: all of each, also where it reads a few rows. */
  bytesRead: number
  /** Of the tensors that it makes or adds to. */
  bytesWritten: number
  /** A product and a sum are two; 0 where they are not counted: outside matrix products, convolutions, attention. */
  flops: number
}

/** A tensor argument of a kernel, `name` as native/kernels.h has it. */
export interface KernelArgument {
  /** As native/kernels.h has it. */
  name: string
  /** Of its elements. */
  dtype: DType
  /** Sizes of its axes. */
  shape: Shape
}

/** The calls of a kernel with tensors of the same shapes and dtypes. */
export interface KernelProfile extends KernelWork {
  /** As native/kernels.h has it; in parentheses what is no kernel: (upload), (read), (housekeeping). */
  name: string
  /** Its tensor arguments, in order. */
  tensors: readonly KernelArgument[]
}

/** One call. */
export interface KernelSpan {
  /** Which kernel, with which shapes. */
  kernel: KernelProfile
  /** In milliseconds from the profile's begin. */
  start: number
  /** In milliseconds. */
  time: number
}

/** What the device's stream did while a profile was open. Times are in milliseconds. */
export interface ProfileReport {
  /** From begin to end. */
  time: number
  /** In kernels. */
  busy: number
  /** Without anything to do: JavaScript had not enqueued more. What is left of `time` passed between kernels. */
  idle: number
  /** By kernel and shapes, those that took longest first. */
  kernels: readonly KernelProfile[]
  /** The first calls in their order, as many as the options say. */
  spans: Iterable<KernelSpan>
  /** Calls that are not among `spans`. */
  spansLeftOut: number
}

/** Options of a profile. */
export interface ProfileOptions {
  /** So many calls are kept one by one, the first ones, for a trace; 24 bytes each. By default none. */
  spans?: number
  /** Whose stream is profiled; by default TRANSFUSION_DEVICE, else 'cpu'. */
  device?: Device
}

/**
 * Counts what the device's stream does from now on, of whatever environment of the process. Any number of profiles may
 * be open at once; each costs about a microsecond a kernel. Throws a RangeError for a number of spans that is none.
 */
export function startProfile(options: ProfileOptions = {}): Profile {
  checkOptions('startProfile', options, { spans: true, device: true })
  const { spans = 0, device = currentDevice() } = options
  if (!Number.isSafeInteger(spans) || spans < 0)
    throw new RangeError(`startProfile: spans must be an integer of at least 0, received ${spans}`)
  return new Profile(spans, parseDevice(device, 'startProfile'))
}

/** A profile that is open: see `startProfile`. */
export class Profile {
  readonly #device: Device
  readonly #handle
  #report: ProfileReport | undefined

  /** @internal */
  constructor(spans: number, device: Device) {
    this.#device = device
    this.#handle = native.profile_start(spans, deviceNumber(device))
  }

  /** Waits for what was enqueued so far, ends the profile and returns what it counted. */
  async stop(): Promise<ProfileReport> {
    await fence(this.#device)
    return this.stopNow()
  }

  /** Ends the profile at once: without the kernel that is running, and those that wait. */
  stopNow(): ProfileReport {
    return (this.#report ??= reportOf(native.profile_stop(this.#handle)))
  }
}

function reportOf({ time, idle, kernels, spans }: NativeProfile): ProfileReport {
  const found = kernels.map(({ tensors, ...kernel }) => ({
    ...kernel,
    tensors: tensors.map(({ argument, dtype, shape }) => ({
      name: argumentsOf(kernel.name)[argument] ?? 'tensor',
      dtype: dtypeNames[dtype]!,
      shape,
    })),
  }))
  return {
    time,
    idle,
    busy: found.reduce((sum, kernel) => sum + kernel.time, 0),
    kernels: found.toSorted((a, b) => b.time - a.time),
    spans: {
      *[Symbol.iterator]() {
        for (const [i, entry] of spans.entries.entries())
          yield { kernel: found[entry]!, start: spans.starts[i]!, time: spans.times[i]! }
      },
    },
    spansLeftOut: spans.leftOut,
  }
}

const dtypeNames = Object.fromEntries(Object.entries(dtypeCodes).map(([name, code]) => [code, name as DType]))

/** The names of a kernel's arguments, from the contract's lines: "rms_norm (Out y, Out rstd, In x, ...)". */
const argumentsOf = (kernel: string): readonly string[] => contract().get(kernel) ?? []

let names: Map<string, string[]> | undefined

function contract(): Map<string, string[]> {
  names ??= new Map(
    [...native.contract.matchAll(/^(\w+) \((.*)\)$/gm)].map(([, kernel, list]) => [
      kernel!,
      list!.split(',').map((argument) => argument.trim().split(' ')[1]!),
    ]),
  )
  return names
}
