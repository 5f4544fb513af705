let current = ''

/** The op whose forward or backward is being enqueued, for error messages; '' outside of ops. */
export const currentOp = (): string => current

/** Runs `body` with `name` as the current op. */
export function withOpName<R>(name: string, body: () => R): R {
  const outer = current
  current = name
  try {
    return body()
  } finally {
    current = outer
  }
}
