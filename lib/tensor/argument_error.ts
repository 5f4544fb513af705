import { describe } from '../describe.js'
import { currentOp } from './op_name.js'

/** An argument that an op cannot take: names the op, the argument, what would be right and what was received. */
export class ArgumentError extends TypeError {
  /** `callee`: what is named where no op runs. */
  constructor(argument: string, expected: string, received: unknown, callee = '') {
    const name = currentOp() || callee
    const place = name && `${name}: `
    super(`${place}${argument} must ${expected}, received ${shown(received)}`)
    this.name = 'ArgumentError'
  }
}

/** A value as an error shows it; text is taken for such words already. */
export const shown = (value: unknown): string =>
  typeof value === 'string' && value.length < 80 ? value : describe(value)
