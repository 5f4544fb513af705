// What `ncu --csv --page raw --print-units base` prints: lines of its own that begin with ==, a header, a row of units, and a
// row for each launch.

/** Fields of a line of CSV: quoted where ncu likes, a quote within doubled. */
function fieldsOf(line) {
  const fields = []
  for (const [, quoted, plain] of line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g))
    fields.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'))
  return fields
}

/** As a number, which ncu may group by commas; undefined for "n/a" and nothing. */
function numberOf(field = '') {
  const text = field.replaceAll(',', '').trim()
  const value = Number(text)
  return text === '' || Number.isNaN(value) ? undefined : value
}

/** A launch each: { kernel, metrics: { name: number } }. Throws where there is no table. */
export function parseNcu(output) {
  const lines = output.split(/\r?\n/).filter((line) => line.trim() !== '' && !line.startsWith('=='))
  const start = lines.findIndex((line) => fieldsOf(line).includes('Kernel Name'))
  if (start < 0) throw new Error('ncu printed no table')
  const names = fieldsOf(lines[start])
  const [id, kernel] = [names.indexOf('ID'), names.indexOf('Kernel Name')]
  return (
    lines
      .slice(start + 1)
      .map(fieldsOf)
      // The row of units has no ID.
      .filter((fields) => fields.length === names.length && /^\d+$/.test(fields[id]))
      .map((fields) => ({
        // Without parameters: ours are C functions.
        kernel: fields[kernel].replace(/\(.*$/, ''),
        metrics: Object.fromEntries(
          names.flatMap((name, i) => {
            const value = /__/.test(name) ? numberOf(fields[i]) : undefined
            return value === undefined ? [] : [[name, value]]
          }),
        ),
      }))
  )
}
