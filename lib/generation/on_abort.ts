interface Listening {
  readonly listeners: Set<() => void>
  readonly tell: () => void
}

const listening = new WeakMap<AbortSignal, Listening>()

/**
 * Calls `listener` when the signal aborts, unless the returned function is called before. A signal has one listener of ours
 * for all of them, since Node warns of more than ten, and none once all have been removed.
 */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (!signal) return () => {}
  const { listeners, tell } = listening.get(signal) ?? listenTo(signal)
  // A function of its own, since the same listener may be added twice.
  const own = () => listener()
  listeners.add(own)
  return () => {
    if (!listeners.delete(own) || listeners.size > 0) return
    signal.removeEventListener('abort', tell)
    listening.delete(signal)
  }
}

function listenTo(signal: AbortSignal): Listening {
  const listeners = new Set<() => void>()
  const tell = () => {
    for (const listener of listeners) listener()
  }
  signal.addEventListener('abort', tell, { once: true })
  const made = { listeners, tell }
  listening.set(signal, made)
  return made
}
