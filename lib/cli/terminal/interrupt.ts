const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, SIGPIPE: 141 } as const

/** The same signal may come twice: from the terminal, and handed on by npm, npx or timeout. */
const echoMilliseconds = 250

/** Stops what is under way, and saves; absent where nothing is to be saved. */
let stopSaving: (() => void) | undefined

/**
 * A signal that aborts at the first SIGINT, SIGTERM or SIGHUP (a terminal that is closed; nohup does not keep Node from it);
 * a second one ends the process at once, with the exit code that shells expect. `dispose` gives the signals back, but not
 * after one came: the process is about to end, and a second one while it does must not end it otherwise.
 * `saves`: that what is under way is saved when it stops, which output that nobody reads any more is a reason for, too.
 */
export function onInterrupt(
  message: string,
  { saves = false }: { saves?: boolean } = {},
): { signal: AbortSignal; [Symbol.dispose](): void } {
  const controller = new AbortController()
  let stopped = 0
  const stop = (name: keyof typeof codes) => {
    stopped = performance.now()
    process.stderr.write(`\n${message}\n`)
    process.exitCode = codes[name]
    controller.abort(new Error(`stopped by ${name}`))
  }
  const handler = (name: keyof typeof codes) => {
    if (!controller.signal.aborted) stop(name)
    else if (performance.now() - stopped > echoMilliseconds) process.exit(codes[name])
  }
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of names) process.on(name, handler)
  if (saves)
    stopSaving = () => {
      if (!controller.signal.aborted) stop('SIGPIPE')
    }
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      if (controller.signal.aborted) return
      for (const name of names) process.off(name, handler)
      stopSaving = undefined
    },
  }
}

/** Of a pipe whose reader has left, and of a terminal that is gone. */
const unread = ['EPIPE', 'EIO']
let told = false

/**
 * For output that cannot be written. Where nobody reads it any more, the process ends as SIGPIPE would end it, but what is
 * to be saved is stopped and saved before; where it has no room, on a full disk say, that goes on without it. What is
 * written to standard error, `notes`, is missed by nobody.
 */
export function leaveWithoutOutput(error: NodeJS.ErrnoException, notes: boolean): void {
  if (notes) return
  if (unread.includes(error.code!)) {
    if (stopSaving) return stopSaving()
    process.exit(codes.SIGPIPE)
  }
  if (!told) process.stderr.write(`transfusion: standard output cannot be written (${error.message})\n`)
  told = true
  process.exitCode ||= 1
  if (!stopSaving) process.exit()
}

/** A signal for any number of works that are done together: it aborts when `signal` does, or once one of them fails. */
export function sharedSignal(signal: AbortSignal): { signal: AbortSignal; fail: (error: unknown) => void } {
  const failure = new AbortController()
  return { signal: AbortSignal.any([signal, failure.signal]), fail: (error) => failure.abort(error) }
}
