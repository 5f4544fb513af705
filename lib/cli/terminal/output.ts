/** Writes a line to standard output. */
export const say = (line: string): boolean => process.stdout.write(`${line}\n`)

/** Writes a line to standard error, below a progress bar that may stand there. */
export const warn = (line: string): boolean => process.stderr.write(`\n${line}\n`)
