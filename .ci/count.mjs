// Prints "N passed, N failed" from vitest's JSON reports. A file that did not load counts as a failed test, and
// so does a step that failed without a failed test (its exit status is the first argument).
import { existsSync, readFileSync } from 'node:fs'

const [status, ...paths] = process.argv.slice(2)
let passed = 0
let failed = 0
for (const path of paths.filter(existsSync)) {
  const report = JSON.parse(readFileSync(path, 'utf8'))
  passed += report.numPassedTests
  failed += report.numFailedTests
  failed += report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
  ).length
}
if (status !== '0' && failed === 0) failed = 1
console.log(`\n${passed} passed, ${failed} failed`)
