import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { parseConfig } from '../config/parse.js'
import { readJson, writeJson } from '../files/json_file.js'
import { deviceInfo } from '../tensor/device.js'
import { runFiles } from './run_files.js'

const endSchema = z.object({
  /** ISO 8601. */
  time: z.string(),
  /** Steps done when it ended. */
  step: z.number(),
  how: z.enum(['finished', 'interrupted', 'failed']),
  /** The error's message, where it failed. */
  message: z.string().optional(),
})

/** How a session ended. */
export type Outcome = Pick<z.output<typeof endSchema>, 'how' | 'message'>

const sessionSchema = z.object({
  /** ISO 8601. */
  started: z.string(),
  /** Steps done before it began. */
  step: z.number(),
  /** Floating-point operations per second, measured at the start; null where it was not measured. */
  matmul_rate: z.number().nullable(),
  machine: z.object({
    processor: z.string(),
    processors: z.number(),
    /** Bytes. */
    memory: z.number(),
    simd: z.string(),
    native_bf16: z.boolean(),
    system: z.string(),
    node: z.string(),
  }),
  /** Absent while the session runs, and where it was killed. */
  ended: endSchema.optional(),
})

const sessionsSchema = z.object({ parameters: z.number(), sessions: z.array(sessionSchema) })

/** `run.json` of a run: the model's size, and a session for each time that the run was started or resumed. */
export type Sessions = z.output<typeof sessionsSchema>
export type Session = Sessions['sessions'][number]

/** Throws an Error that names the file and what is wrong in it; undefined where there is none. */
export async function readSessions(folder: string): Promise<Sessions | undefined> {
  const path = join(folder, runFiles.sessions)
  const written = await readJson(path, null)
  return written === null ? undefined : parseConfig(sessionsSchema, written, path)
}

/** Whether the last session of a run has finished, at this step. */
export async function hasFinished(folder: string, step: number): Promise<boolean> {
  const ended = (await readSessions(folder))?.sessions.at(-1)?.ended
  return ended?.how === 'finished' && ended.step === step
}

/** Adds a session that begins now, at `step`. At step 0 a new run begins, and earlier sessions are removed. */
export async function addSession(
  folder: string,
  { step, parameters, matmulRate }: { step: number; parameters: number; matmulRate: number | undefined },
): Promise<void> {
  const earlier = step > 0 ? ((await readSessions(folder))?.sessions ?? []) : []
  const session = {
    started: new Date().toISOString(),
    step,
    matmul_rate: matmulRate ?? null,
    machine: describeMachine(),
  }
  await writeSessions(folder, { parameters, sessions: [...earlier, session] })
}

/** Records how the last session ended, and at which step. */
export async function endSession(folder: string, step: number, outcome: Outcome): Promise<void> {
  const all = await readSessions(folder)
  const last = all?.sessions.at(-1)
  if (!last) return
  last.ended = { time: new Date().toISOString(), step, ...outcome }
  await writeSessions(folder, all!)
}

const writeSessions = (folder: string, all: Sessions): Promise<void> =>
  writeJson(join(folder, runFiles.sessions), all)

function describeMachine(): Session['machine'] {
  const { simd, nativeBf16, processors } = deviceInfo('cpu')
  return {
    processor: cpus()[0]?.model.trim() ?? process.arch,
    processors,
    memory: totalmem(),
    simd,
    native_bf16: nativeBf16,
    system: `${process.platform} ${process.arch}`,
    node: process.version,
  }
}
