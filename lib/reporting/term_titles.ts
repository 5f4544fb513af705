const titles: ReadonlyMap<string, string> = new Map([
  ['lm', 'text loss'],
  ['diffusion', 'image loss'],
])

/** What people read for a term of the loss: its name, where it has no other. */
export const termTitle = (name: string): string => titles.get(name) ?? name
