// Tables of cuda/REPORT.md.

const row = (cells) => `| ${cells.join(' | ')} |\n`

/** Markdown. */
export const table = (header, rows) => row(header) + row(header.map(() => '---')) + rows.map(row).join('')
export const percent = (share) => `${Math.round(share * 100)}%`
