import { wrongArgument } from '../arguments.js'

/** What scopes free: the base of Tensor. */
export abstract class Scoped {
  /** Taken out of its scope by `keep`. @internal */
  kept = false
  /** How many tape nodes saved it for their backward pass. @internal */
  saves = 0
  /** Its scope has ended; only the tape holds it. @internal */
  orphaned = false

  /** Enters the open scope; returns false where there is none. @internal */
  protected enterScope(): boolean {
    current?.add(this)
    return current !== undefined
  }

  /** Called when no scope will free it any more. @internal */
  abstract guard(): void

  /** Called when its scope has ended and the tape goes on needing it. @internal */
  orphan(): void {
    this.orphaned = true
  }

  /** Whether its memory was given back. */
  abstract get freed(): boolean
  /** Gives the memory back; a second call does nothing. */
  abstract free(): void
}

/** What will be freed when the open scope ends. */
let current: Set<Scoped> | undefined

/** Takes a tensor out of every scope: it lives until it is freed by its owner. */
export function keep<T extends Scoped>(tensor: T): T {
  if (typeof tensor !== 'object' || tensor === null) throw wrongArgument('keep', 'tensor', 'a tensor', tensor)
  tensor.kept = true
  return tensor
}

/**
 * Ends a tensor before its scope does: its memory is given back at once, or where the tape saved it, after the backward pass.
 * What has used it already is not touched.
 */
export function release(tensor: Scoped): void {
  if (tensor.saves > 0) tensor.orphan()
  else tensor.free()
}

/**
 * Runs `body` and frees every tensor made in it, except those that it returns (alone, or in arrays and plain
 * objects), that were kept, or that the tape saved for a backward pass: these move to the enclosing scope.
 *
 * Scopes are synchronous: a body that returns a promise throws, because tensors made by other work between its
 * awaits would be freed with its own. What must live across an await is returned or kept, and freed by its owner.
 */
export function scope<R>(body: () => R): R {
  if (typeof body !== 'function') throw wrongArgument('scope', 'body', 'a function', body)
  const outer = current
  const made = new Set<Scoped>()
  current = made
  let survivors: ReadonlySet<Scoped> = new Set()
  try {
    const result = body()
    if (isPromise(result))
      throw new Error('scope: body must be synchronous, received one that returned a promise')
    survivors = tensorsIn(result)
    return result
  } finally {
    current = outer
    for (const tensor of made) {
      if (tensor.freed) continue
      if (tensor.kept) tensor.guard()
      else if (survivors.has(tensor)) moveTo(outer, tensor)
      else if (tensor.saves > 0) {
        tensor.orphan()
        moveTo(outer, tensor)
      } else tensor.free()
    }
  }
}

function moveTo(outer: Set<Scoped> | undefined, tensor: Scoped): void {
  if (outer) outer.add(tensor)
  else tensor.guard()
}

const isPromise = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'

function tensorsIn(value: unknown, found = new Set<Scoped>()): Set<Scoped> {
  if (value instanceof Scoped) found.add(value)
  else if (Array.isArray(value)) for (const item of value) tensorsIn(item, found)
  else if (value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype)
    for (const item of Object.values(value)) tensorsIn(item, found)
  return found
}
