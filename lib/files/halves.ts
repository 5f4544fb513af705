/** The value of an IEEE half: 1 sign bit, 5 exponent bits, 10 fraction bits. */
function decodeHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** The values of all IEEE halves, by their bits. */
export const halves = Float32Array.from({ length: 2 ** 16 }, (_, bits) => decodeHalf(bits))
