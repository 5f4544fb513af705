/** Where a run says what it does: each line is told once, without a newline at its end. */
export interface RunMessages {
  /** What happens: sizes, where it goes on from, where files are. */
  onMessage: (line: string) => void
  /** What a user should know of but does not end the run. */
  onWarning: (line: string) => void
}

/** Messages that nobody reads. */
export const silent: RunMessages = { onMessage: () => {}, onWarning: () => {} }
