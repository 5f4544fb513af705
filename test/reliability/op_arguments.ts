import { Tensor } from '../../lib/tensor/tensor.js'

/** Replaces tensors at any depth. */
export function mapTensors(value: unknown, map: (tensor: Tensor, key: string) => Tensor, key = ''): unknown {
  if (value instanceof Tensor) return map(value, key)
  if (Array.isArray(value)) return value.map((item) => mapTensors(item, map, key))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, mapTensors(item, map, name)]))
}

export function tensorsIn(value: unknown): Tensor[] {
  const found: Tensor[] = []
  mapTensors(value, (tensor) => (found.push(tensor), tensor))
  return found
}
