import { Command } from 'commander'
import { formatBytes } from '../reporting/report/numbers.js'
import { writeReport } from '../reporting/report.js'

export const reportCommand = (): Command =>
  new Command('report')
    .description('write the page of a run: curves, samples over time, metrics, config; also while it goes on')
    .argument('<run>', "the run's folder")
    .option('--out <file>', "where the page goes, by default report.html in the run's folder")
    .addHelpText('after', '\nExample:\n  transfusion report runs/fashion')
    .action(report)

/** `transfusion report RUN`: writes the page of a run, also of one that goes on. `out`: where, by default in its folder. */
export async function report(folder: string, { out }: { out?: string }): Promise<void> {
  const { path, bytes, problems } = await writeReport(folder, out)
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  process.stdout.write(`report: ${path} (${formatBytes(bytes)})\n`)
}
