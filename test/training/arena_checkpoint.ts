import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { ParameterArena } from '../../lib/nn/arena.js'
import type { TaskCheckpoint } from '../../lib/training/task.js'

const file = 'weights.json'

/** How a test's task keeps its model, the values of an arena, and the number of its next step. */
export const arenaCheckpoint = (arena: ParameterArena): TaskCheckpoint<{ next: number }> => ({
  dataState: z.strictObject({ next: z.int() }),
  async save(folder, weights) {
    await mkdir(folder, { recursive: true })
    const values = await (weights ?? arena.values).readFloats()
    await writeFile(join(folder, file), JSON.stringify([...values]))
    return { [file]: 'a sum' }
  },
  async load(folder) {
    const values = JSON.parse(await readFile(join(folder, file), 'utf8')) as number[]
    return async () => {
      arena.values.write(Float32Array.from(values))
      arena.updated()
    }
  },
})
