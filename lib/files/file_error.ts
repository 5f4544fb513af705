const unreadable: Record<string, string> = {
  ENOENT: 'no such file',
  EISDIR: 'is a folder; expected a file',
}

/** What the file system says of a file that cannot be read, in words that begin with its path; other errors as they are. */
export function fileError(path: string, error: unknown): unknown {
  const { code, message, syscall } = error as NodeJS.ErrnoException
  if (syscall === undefined) return error
  return new Error(`${path}: ${unreadable[code ?? ''] ?? `cannot be read (${message})`}`, { cause: error })
}
