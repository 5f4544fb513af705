import { join } from 'node:path'
import { writeJson } from '../../files/json_file.js'
import type { Image } from '../../image/image.js'
import { writePng } from '../../image/image_io.js'
import { runFiles } from '../../reporting/run_files.js'
import { runPaths } from '../../run/run_folder.js'

/** Writes a trained model's metrics and sheet into its run's folder, and tells of them. */
export async function writeResult(
  out: string,
  metrics: Readonly<Record<string, number>>,
  sheet: Image,
  onMessage: (line: string) => void,
): Promise<void> {
  const paths = { sheet: join(out, runFiles.contactSheet), metrics: join(out, runFiles.finalMetrics) }
  await writePng(paths.sheet, sheet)
  await writeJson(paths.metrics, metrics)
  for (const line of metricLines(metrics)) onMessage(line)
  onMessage(`Pictures: ${paths.sheet}   metrics: ${paths.metrics}   model: ${runPaths(out).model}`)
}

/** A line for each metric. */
function metricLines(metrics: Readonly<Record<string, number>>): string[] {
  const widest = Math.max(20, ...Object.keys(metrics).map((name) => name.length))
  return Object.entries(metrics).map(
    ([name, value]) => `  ${name.padEnd(widest)} ${Number(value.toPrecision(4))}`,
  )
}
