/**
 * A signal that aborts at the first SIGINT or SIGTERM; a second one ends the process at once, with the exit code that
 * shells expect. `dispose` gives the signals back.
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
      process.off('SIGINT', handler)
      process.off('SIGTERM', handler)
    },
  }
}
