import type { Tensor } from '../tensor/tensor.js'

/** The tensors that an op takes, by name: undefined where an optional one is left out, an array where an input is a list. */
export type Inputs = Record<string, Tensor | readonly Tensor[] | undefined>
/** The output of an op: one tensor, or several. */
export type Outputs = Tensor | readonly Tensor[]
/** What forward saves for the backward pass: tensors, which the tape frees after use, and other values. */
export type Saved = Record<string, unknown>
/**
 * The gradient of each input, in the output's shape where the op broadcast the input; undefined where there is none, or
 * where it was accumulated.
 */
export type Gradients<I extends Inputs> = {
  [N in keyof I]?: I[N] extends readonly Tensor[] ? readonly (Tensor | undefined)[] : Tensor | undefined
}

/**
 * An op: its forward and its derivative, side by side. `backward` is given the gradients of the outputs (zeros for
 * an output that was not used) and what forward saved, and returns the gradients of the inputs; gradients of
 * parameters go through `request.accumulator(name)`. An op without a derivative says 'none'.
 */
export interface OpDefinition<I extends Inputs, O, Y extends Outputs, S extends Saved> {
  /** The op's name in messages: "add: b must ...". */
  name: string
  /** The inputs that are lists of tensors. */
  lists?: readonly (keyof I)[]
  /** The inputs that may be left out. */
  optional?: readonly (keyof I)[]
  /** The inputs that have no derivative: a backward pass that would need one throws. */
  constants?: readonly (keyof I)[]
  /** Checks the arguments and enqueues kernels; `saved` goes to `backward`. */
  forward: (inputs: I, options: O) => { output: Y; saved: S }
  /** The derivative, or 'none'. */
  backward: ((dy: Y, saved: S, request: GradientRequest<I>) => Gradients<I>) | 'none'
}

/** Which gradients a backward pass needs, and where it accumulates them. */
export interface GradientRequest<I extends Inputs> {
  /** Whether this input needs a gradient; of a list, whether any of its tensors does. */
  wants(input: keyof I): boolean
  /**
   * An f32 tensor of the input's shape, to which a kernel adds the gradient: the parameter's own gradient, or a zeroed
   * buffer. The gradient is then not returned. Undefined where the input needs none.
   */
  accumulator(input: keyof I): Tensor | undefined
  /**
   * The same for a kernel that can also write: calls `kernel`, where the input needs a gradient, with the tensor and whether
   * this is the `first` gradient, which is to be written there, whatever it holds. That saves zeroing.
   */
  accumulate(input: keyof I, kernel: (gradient: Tensor, first: boolean) => void): void
}

export type AnyOp = OpDefinition<any, any, any, any>
