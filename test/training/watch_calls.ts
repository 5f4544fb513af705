import { native } from '../../lib/native.js'

type Calls = Record<string, (...values: unknown[]) => unknown>
const calls = native as unknown as Calls
const enqueueing = Object.keys(native).filter(
  (name) =>
    typeof calls[name] === 'function' &&
    !/^(release|memory|set_|trim|device|profile|create_job|cancel|fence)/.test(name),
)

/** Has `before` look at each native call, and change its arguments or throw; returns the way back. */
export function watchCalls(before: (name: string, values: unknown[]) => void): () => void {
  const original = Object.fromEntries(enqueueing.map((name) => [name, calls[name]!]))
  for (const name of enqueueing)
    calls[name] = (...values) => {
      before(name, values)
      return original[name]!(...values)
    }
  return () => void Object.assign(calls, original)
}
