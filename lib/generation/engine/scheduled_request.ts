import type { Generation } from './generation.js'
import type { AppendInput, CodeInput, DenoiseInput, StepInput } from './step_input.js'

/** A generation with its input for a step. */
export interface ScheduledRequest<Input extends StepInput = StepInput> {
  readonly generation: Generation
  readonly input: Input
}

/** A generation that denoises its image in a step. */
export type DenoisingRequest = ScheduledRequest<DenoiseInput>

/** A generation that appends to its sequence in a step. */
export type AppendingRequest = ScheduledRequest<AppendInput>

/** A generation that samples a code of its image in a step. */
export type CodeRequest = ScheduledRequest<CodeInput>

export const isDenoising = (request: ScheduledRequest): request is DenoisingRequest =>
  request.input.type === 'denoise'

export const isAppending = (request: ScheduledRequest): request is AppendingRequest =>
  request.input.type === 'append'

export const isSamplingCode = (request: ScheduledRequest): request is CodeRequest =>
  request.input.type === 'code'
