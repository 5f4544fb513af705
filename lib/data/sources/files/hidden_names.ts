/** Files and folders that systems, editors and archivers leave behind, besides those that begin with a dot. Lower case. */
const leftBehind: ReadonlySet<string> = new Set([
  '__macosx',
  '__pycache__',
  '@eadir',
  '@tmp',
  '@recycle',
  '#recycle',
  '#snapshot',
  '$recycle.bin',
  'system volume information',
  'network trash folder',
  'temporary items',
  'lost+found',
  'thumbs.db',
  'ehthumbs.db',
  'desktop.ini',
  'icon\r',
])

/** Whether a file or folder of this name was left behind by a system or an editor: nobody means it as data. */
export function isHiddenName(name: string): boolean {
  return (
    (name.startsWith('.') && name !== '.' && name !== '..') ||
    name.endsWith('~') ||
    name.startsWith('~$') ||
    /^#.*#$/s.test(name) ||
    /^paxheaders?(\.\w+)?$/i.test(name) ||
    leftBehind.has(name.toLowerCase())
  )
}

/** Whether any component of a path with "/" is hidden. */
export const isHiddenPath = (path: string): boolean => path.split('/').some(isHiddenName)
