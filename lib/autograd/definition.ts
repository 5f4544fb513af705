import type { Tensor } from '../tensor/tensor.js'

/** The tensors that an op takes, by name; an optional one is undefined, several are an array. */
export type Inputs = Record<string, Tensor | readonly Tensor[] | undefined>
/** What an op makes: one tensor, or several. */
export type Outputs = Tensor | readonly Tensor[]
/** What the backward pass needs: tensors, which the tape frees after use, and anything else. */
export type Saved = Record<string, unknown>
/** One gradient an input, in the output's shape where the op broadcast it; undefined: none, or accumulated. */
export type Gradients<I extends Inputs> = {
  [N in keyof I]?: I[N] extends readonly Tensor[] ? readonly (Tensor | undefined)[] : Tensor | undefined
}

/**
 * An op: its forward and its derivative, side by side. `backward` is given the gradients of the outputs (zeros for
 * an output that was not used) and what forward saved, and returns the gradients of the inputs; gradients of
 * parameters go through `request.accumulator(name)`. An op without a derivative says 'none'.
 */
export interface OpDefinition<I extends Inputs, O, Y extends Outputs, S extends Saved> {
  /** In messages, before the name of the argument: "add: b must ...". */
  name: string
  /** The inputs that are several tensors. */
  lists?: readonly (keyof I)[]
  /** The inputs that may be left out. */
  optional?: readonly (keyof I)[]
  /** Checks arguments, enqueues kernels; `saved` is what backward is given. */
  forward: (inputs: I, options: O) => { output: Y; saved: S }
  /** The derivative, see above. */
  backward: ((dy: Y, saved: S, request: GradientRequest<I>) => Gradients<I>) | 'none'
}

/** What an op's backward may ask of the tape. */
export interface GradientRequest<I extends Inputs> {
  /** Whether anything wants the gradient of this input (of any of them, if there are several). */
  wants(input: keyof I): boolean
  /**
   * An f32 tensor of the input's shape to which a kernel adds its gradient: the parameter's own gradient, or a
   * zeroed buffer. Undefined when nothing wants it. The gradient is then not returned.
   */
  accumulator(input: keyof I): Tensor | undefined
}

export type AnyOp = OpDefinition<any, any, any, any>
