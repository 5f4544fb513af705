// How tables show numbers.

export const text = String
/** With so many decimals. */
export const fixed = (decimals) => (value) => value.toFixed(decimals)
export const whole = fixed(0)
/** Of FLOP/s, bytes/s and bytes, in 10^9. */
export const giga = (value) => (value / 1e9).toPrecision(3)
export const milliseconds = (seconds) => (seconds * 1000).toPrecision(3)
/** Of bytes. */
export const mebibytes = (bytes) => (bytes / 2 ** 20).toFixed(0)
/** How many times. */
export const times = (ratio) => `${ratio.toFixed(2)}x`
