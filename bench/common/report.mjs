// What every bench prints: the machine's limits, then tables; with --json FILE the same as data.
import { writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { describeLimits, describeLoad, load, measureLimits } from './limits.mjs'

/**
 * The command line as parseArgs gives it, `options` being parseArgs's; --json is every bench's. Ends the process where it
 * is not understood.
 */
export function parseOptions(options = {}) {
  try {
    return parseArgs({ options: { json: { type: 'string' }, ...options } }).values
  } catch (error) {
    console.error(`${basename(process.argv[1])}: ${error.message}`)
    process.exit(1)
  }
}

/** The numbers of an option that is a list: '1,8'. */
export const numbersOf = (list) => list.split(',').filter(Boolean).map(Number)

/** Lines of a table. `columns`: { name: format }; `rows`: { name: value } each. A column that no row has is left out. */
export function formatTable(columns, rows) {
  const names = Object.keys(columns).filter((name) => rows.some((row) => row[name] !== undefined))
  const cells = [
    names,
    ...rows.map((row) => names.map((name) => (row[name] === undefined ? '' : columns[name](row[name])))),
  ]
  const widths = names.map((_, i) => Math.max(...cells.map((line) => line[i].length)))
  // Words to the left, numbers to the right.
  const pad = (cell, i) =>
    typeof rows[0]?.[names[i]] === 'string' ? cell.padEnd(widths[i]) : cell.padStart(widths[i])
  return cells.map((line) => `  ${line.map(pad).join('  ')}`.trimEnd())
}

/** Measures and prints the limits; results follow by `table`, and `close` writes the file. */
export async function openReport(name, { json } = {}) {
  const limits = await measureLimits()
  console.log(describeLimits(limits))
  const tables = []
  return {
    limits,
    /** Prints a table as soon as its rows are there; see formatTable. */
    table(title, columns, rows) {
      const now = load()
      console.log(`\n${title} (${describeLoad(now)})`)
      for (const line of formatTable(columns, rows)) console.log(line)
      tables.push({ title, load: now, rows })
    },
    async close() {
      if (json === undefined) return
      await writeFile(json, `${JSON.stringify({ bench: name, limits, tables }, undefined, 2)}\n`)
    },
  }
}
