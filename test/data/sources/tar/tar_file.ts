import { writeFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { type Header, pack } from 'tar-stream'

export type Members = Record<string, string | Uint8Array>

/** The bytes of a tar file; a name that ends with "/" is a folder. */
export async function tarFile(members: Members): Promise<Buffer> {
  const archive = pack()
  for (const [name, content] of Object.entries(members)) {
    const header: Pick<Header, 'name' | 'type'> = { name, type: name.endsWith('/') ? 'directory' : 'file' }
    archive.entry(header, content)
  }
  archive.finalize()
  return buffer(archive)
}

export async function writeTar(path: string, members: Members): Promise<void> {
  await writeFile(path, await tarFile(members))
}
