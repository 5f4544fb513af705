import type { ParameterArena } from '../nn/arena.js'
import type { Parameter } from '../nn/parameters.js'
import { elementsOf } from '../tensor/shape.js'

/** Matrices of one shape, which are computed together. */
export interface MatrixBatch {
  readonly rows: number
  readonly columns: number
  /** Where each begins in the arena, in elements. */
  readonly starts: readonly number[]
  /** Which each is of. */
  readonly parameters: readonly Parameter[]
}

/** Elements beyond which a batch takes no further matrix: small products gain from company, large ones take memory. */
const batchElements = 2 ** 22

/** The matrices that an arena's parameters are made of, see `Parameter.matrixRows`, in batches of equal shapes. */
export function matrixBatches(arena: ParameterArena): MatrixBatch[] {
  const filling = new Map<string, MatrixBatch & { starts: number[]; parameters: Parameter[] }>()
  const batches: MatrixBatch[] = []
  for (const parameter of arena.parameters) {
    // A convolution's filters are the rows of one matrix.
    const columns = elementsOf(parameter.shape.slice(1))
    let start = arena.startOf(parameter)
    for (const rows of parameter.matrixRows ?? []) {
      const shape = `${rows} x ${columns}`
      let batch = filling.get(shape)
      if (!batch || (batch.starts.length + 1) * rows * columns > batchElements) {
        batch = { rows, columns, starts: [], parameters: [] }
        filling.set(shape, batch)
        batches.push(batch)
      }
      batch.starts.push(start)
      batch.parameters.push(parameter)
      start += rows * columns
    }
  }
  return batches
}
