type Numbers = Int32Array | Float64Array

/** An array of at least `length` numbers, the first of which are those of `array`: itself where it is long enough. */
export function grown<Array extends Numbers>(array: Array, length: number): Array {
  if (length <= array.length) return array
  const larger = new (array.constructor as new (length: number) => Array)(Math.max(length, 2 * array.length))
  larger.set(array)
  return larger
}
