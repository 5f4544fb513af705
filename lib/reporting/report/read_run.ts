import { stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { exists } from '../../files/exists.js'
import { readJson } from '../../files/json_file.js'
import { metricsLines } from '../metrics_file.js'
import { runFiles } from '../run_files.js'
import { readSessions, type Sessions } from '../sessions.js'
import { Curves } from './curves.js'
import { type MetricTable, readFinalMetrics, readEvaluation } from './metric_tables.js'
import { inlineImage, type InlineImage } from './inline_image.js'
import { readSheets, type Sheets } from './sheets.js'

/** Where earlier versions wrote the demo's metrics. */
const earlierFinalMetrics = 'figures.json'

/** What a run's folder tells. */
export interface Run {
  name: string
  curves: Curves
  sessions: Sessions | undefined
  /** Undefined where there is none to be read. */
  config: unknown
  sheets: Sheets
  metrics: MetricTable[]
  contactSheet: InlineImage | undefined
  /** What is missing or damaged, a sentence each. */
  problems: string[]
}

/**
 * Reads a run's folder, also of one that goes on. Parts that are missing or damaged become problems; rejects with an
 * Error only where the folder is none of a run.
 */
export async function readRun(folder: string): Promise<Run> {
  await checkFolder(folder)
  const problems: string[] = []
  async function attempt<T, U>(read: Promise<T>, otherwise: U): Promise<T | U> {
    try {
      return await read
    } catch (error) {
      problems.push((error as Error).message)
      return otherwise
    }
  }
  const curves = new Curves()
  problems.push(...(await attempt(readCurves(join(folder, runFiles.metrics), curves), [])))
  const sessions = await attempt(readSessions(folder), undefined)
  const config = await attempt(readJson(join(folder, runFiles.config)), undefined)
  const sheets = await attempt(readSheets(folder), { shown: [], count: 0, problems: [] })
  problems.push(...sheets.problems)
  const started = sessions?.sessions[0]?.started
  const ofThisRun = (name: string) => attempt(isNewer(join(folder, name), started), false)
  const tables = async (name: string, read: (path: string) => Promise<MetricTable[]>) =>
    (await ofThisRun(name)) ? attempt(read(join(folder, name)), []) : []
  const metrics = [
    ...(await tables(runFiles.evaluation, readEvaluation)),
    ...(await tables(runFiles.finalMetrics, readFinalMetrics)),
    ...(await tables(earlierFinalMetrics, readFinalMetrics)),
  ]
  const contactSheet = (await ofThisRun(runFiles.contactSheet))
    ? await attempt(inlineImage(join(folder, runFiles.contactSheet)), undefined)
    : undefined
  return {
    name: basename(resolve(folder)),
    curves,
    sessions,
    config,
    sheets,
    metrics,
    contactSheet,
    problems,
  }
}

async function checkFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined)
  if (!found) throw new Error(`${folder}: no such folder`)
  if (!found.isDirectory())
    throw new Error(`${folder}: not a folder; name the one that the run was written to`)
  if (await isRun(folder)) return
  const around = dirname(resolve(folder))
  throw new Error(
    `${folder}: not a run's folder, it has neither ${runFiles.metrics} nor ${runFiles.sessions}; ` +
      ((await isRun(around))
        ? `it is a part of the run ${around}`
        : 'name the --out folder of transfusion train or demo'),
  )
}

const isRun = async (folder: string): Promise<boolean> =>
  (await exists(join(folder, runFiles.metrics))) || exists(join(folder, runFiles.sessions))

/**
 * Whether a file is there. Rejects with an Error where it is from before the run, which began anew in an old one's
 * folder: it tells of another model.
 */
async function isNewer(path: string, started: string | undefined): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  if (found && started && found.mtimeMs < Date.parse(started))
    throw new Error(`${path}: older than this run, of an earlier one; left out`)
  return found !== undefined
}

/** Lines that a message names. */
const namedLines = 10

/** Adds a file's records to the curves. Returns what is wrong in it. */
async function readCurves(path: string, curves: Curves): Promise<string[]> {
  const damaged: number[] = []
  let [lines, damagedLines] = [0, 0]
  for await (const { number, record } of metricsLines(path)) {
    lines = number
    if (record && curves.add(record)) continue
    damagedLines++
    if (damaged.length < namedLines) damaged.push(number)
  }
  if (lines === 0 && !(await exists(path))) return [`${path}: missing, so that there are no curves`]
  if (damagedLines === 0) return []
  const more = damagedLines > damaged.length ? ' ...' : ''
  return [
    `${path}: ${damagedLines} of ${lines} lines left out, which are no records or go back in steps: ` +
      `${damaged.join(', ')}${more}`,
  ]
}
