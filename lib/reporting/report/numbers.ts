/** A number to be read: four significant digits, thousands set apart. */
export function formatNumber(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return String(value)
  const size = Math.abs(value)
  if (size >= 1000) return value.toLocaleString('en', { maximumFractionDigits: 0 })
  if (size > 0 && size < 1e-4) return value.toExponential(digits - 1).replace(/\.?0*e/, 'e')
  return String(Number(value.toPrecision(digits)))
}

/** "3 h 02 min", "4 min 05 s" or "12.3 s". */
export function formatDuration(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  const two = (value: number) => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60)]
  return hours > 0 ? `${hours} h ${two(minutes % 60)} min` : `${minutes} min ${two(whole % 60)} s`
}

/** Bytes as "1.5 MB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(bytes || 1) / 3)))
  return `${formatNumber(bytes / 1000 ** unit, 3)} ${units[unit]}`
}

/** An ISO 8601 time, to the minute, in UTC; what is none stands as it is. */
export function formatTime(iso: string): string {
  const time = new Date(iso)
  return Number.isNaN(time.getTime()) ? iso : `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

export const formatCount = (count: number, thing: string): string =>
  `${count.toLocaleString('en')} ${thing}${count === 1 ? '' : 's'}`
