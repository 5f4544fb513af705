interface Listening {
  readonly listeners: Set<() => void>
  readonly tell: () => void
}

const listening = new WeakMap<AbortSignal, Listening>()

/**
 * Calls `listener` when the signal aborts, unless the function that is returned was called before. However many listen, an
 * AbortSignal has one listener of ours, and none once all are done: Node warns of more than ten.
 */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (!signal) return () => {}
  const { listeners, tell } = listening.get(signal) ?? listenTo(signal)
  // Of its own: the same function may listen twice.
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
