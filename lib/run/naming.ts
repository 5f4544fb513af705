/** Runs a check; an error of it begins with what it is of. */
export async function naming(what: string, check: () => unknown): Promise<void> {
  try {
    await check()
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error })
  }
}
