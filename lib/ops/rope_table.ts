import { defineOp } from '../autograd/op.js'
import { native } from '../native.js'
import { checkDType, checkRank, checkShape } from '../tensor/check.js'
import { empty, type Tensor } from '../tensor/tensor.js'

const op = defineOp({
  name: 'rope_table',
  forward({ positions, frequencies, axes }: { positions: Tensor; frequencies: Tensor; axes: Tensor }) {
    checkDType('positions', positions, 'f32')
    checkRank('positions', positions, 2)
    checkDType('frequencies', frequencies, 'f32')
    checkRank('frequencies', frequencies, 1)
    checkDType('axes', axes, 'i32')
    checkShape('axes', axes, frequencies.shape)
    const table = empty([positions.size(0), 2 * frequencies.size(0)])
    native.rope_table(table.handle, positions.handle, frequencies.handle, axes.handle)
    return { output: table, saved: {} }
  },
  backward: 'none',
})

/**
 * The rotations of `splitRope`: angle[t, i] = positions[t, axes[i]] frequencies[i], in radians. A row of the table has
 * the cosines of its angles, then their sines.
 *
 * positions [T, A] f32 (A = 1: position in the sequence; more: also row, column, ...), frequencies [D / 2] f32, axes [D
 * / 2] i32, the one of the A positions that turns pair i -> table [T, D] f32, exact to f32 for positions up to 1e5 and
 * beyond. It has no derivative.
 * @throws ArgumentError unless shapes and dtypes are these; reading rejects when an axis is not in 0..A-1
 */
export const ropeTable = (positions: Tensor, frequencies: Tensor, axes: Tensor): Tensor =>
  op({ positions, frequencies, axes }, {})
