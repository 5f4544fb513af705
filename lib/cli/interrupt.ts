/**
 * A signal that aborts at the first SIGINT or SIGTERM; a second one ends the process at once, with the exit code that
 * shells expect. `dispose` gives the signals back, but not after one came: the process is about to end, and a second one
 * while it does must not end it otherwise.
 */
export function onInterrupt(message: string): { signal: AbortSignal; [Symbol.dispose](): void } {
  const controller = new AbortController()
  const codes = { SIGINT: 130, SIGTERM: 143 } as const
  const handler = (name: keyof typeof codes) => {
    if (controller.signal.aborted) process.exit(codes[name])
    process.stderr.write(`\n${message}\n`)
    process.exitCode = codes[name]
    controller.abort(new Error(`stopped by ${name}`))
  }
  process.on('SIGINT', handler)
  process.on('SIGTERM', handler)
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      if (controller.signal.aborted) return
      process.off('SIGINT', handler)
      process.off('SIGTERM', handler)
    },
  }
}

/** A signal for any number of works that are done together: it aborts when `signal` does, or once one of them fails. */
export function sharedSignal(signal: AbortSignal): { signal: AbortSignal; fail: (error: unknown) => void } {
  const failure = new AbortController()
  return { signal: AbortSignal.any([signal, failure.signal]), fail: (error) => failure.abort(error) }
}
