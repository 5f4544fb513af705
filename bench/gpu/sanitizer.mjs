// The slice `sanitizer`: NVIDIA's compute-sanitizer over small cases of kernels that share memory between threads, copy
// asynchronously, or write where indices say.
import { join } from 'node:path'
import { program } from './kernels.mjs'
import { findTool } from './tools.mjs'
import { openResults, runWatched } from './watched.mjs'

const shared = ['matmul.*\\[128, ', 'matmul.*\\[130, ', 'rms_norm', 'softmax', 'attention', 'transpose']
const scattered = [
  'embedding',
  'write_rows',
  'cross_entropy',
  'sample_tokens',
  'argmax',
  'concat',
  'patchify',
  'conv2d',
  'muon',
  'adamw',
]
/** Each tool's cases, by parts of their names. */
export const sanitizers = {
  memcheck: [''],
  racecheck: [...shared, ...scattered],
  synccheck: shared,
  initcheck: [...shared, ...scattered],
}

/**
 * What compute-sanitizer printed: { errors, messages }, the errors that it counted, undefined where it ended before it could,
 * and the first line of each report.
 */
export function parseSanitizer(output) {
  const lines = output.split('\n').filter((line) => line.startsWith('========='))
  const texts = lines.map((line) => line.replace(/^=+ ?/, ''))
  let errors
  for (const text of texts) {
    const found = /^ERROR SUMMARY: (\d+) errors?/.exec(text)
    // "3 hazards displayed (2 errors, 1 warnings)": a warning is no race.
    const hazards = /^RACECHECK SUMMARY: \d+ hazards? displayed \((\d+) errors?, \d+ warnings?\)/.exec(text)
    if (found ?? hazards) errors = (errors ?? 0) + Number((found ?? hazards)[1])
  }
  const messages = texts.filter(
    (text) =>
      /^\S/.test(text) && !/^(COMPUTE-SANITIZER|ERROR SUMMARY|RACECHECK SUMMARY|LEAK SUMMARY)/.test(text),
  )
  return { errors, messages }
}

export async function sanitize(context) {
  const results = openResults(join(context.folder, 'sanitizer.json'), 'sanitizer')
  const sanitizer = findTool('compute-sanitizer')
  if (!sanitizer) return results.skip('there is no compute-sanitizer in PATH, CUDA_HOME or beside nvcc')
  if (context.driver) return results.skip('compute-sanitizer needs a GPU')
  const problems = []
  const tools = Object.entries(sanitizers)
  for (const [i, [tool, only]] of tools.entries()) {
    const seconds = (context.deadline - performance.now()) / 1000 / (tools.length - i) - 2
    const options = ['--tool', tool, '--print-limit', '20', '--error-exitcode', '86']
    const args = ['--worker', '1', '--images', 'machine code', '--sizes', 'small', '--only', only.join('|')]
    const ended = await runWatched(sanitizer, [...options, program, ...args], { seconds, quiet: true })
    const { errors, messages } = parseSanitizer(`${ended.stdout}\n${ended.stderr}`)
    const cases = ended.stdout.match(/^R /gm)?.length ?? 0
    const row = { tool, cases, errors, messages, late: ended.late, seconds: ended.seconds }
    console.log(
      `  ${tool}: ${cases} cases, ${errors ?? 'unknown'} errors${ended.late ? ', the time was over' : ''}`,
    )
    for (const message of messages.slice(0, 20)) console.log(`    ${message}`)
    results.add(row)
    if (errors !== 0 && !(ended.late && messages.length === 0))
      problems.push(`${tool}: ${errors ?? 'unknown'} errors`)
  }
  return problems.join('; ')
}
