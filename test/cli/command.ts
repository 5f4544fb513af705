import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface CommandResult {
  code: number | null
  stdout: string
  stderr: string
}

export interface CommandOptions {
  /** This one's own by default. */
  cwd?: string
  /** Beside the environment's variables. */
  env?: NodeJS.ProcessEnv
  /** What it reads; without it, nothing. */
  input?: string
  /** Called after each piece of output with all that there is of both streams: to send signals or lines. */
  onOutput?: (child: ReturnType<typeof start>, output: string) => void
}

const start = (args: readonly string[], { cwd, env }: CommandOptions) =>
  spawn(process.execPath, [main, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: 'pipe',
    timeout: 240_000,
    killSignal: 'SIGKILL',
  })

/** `transfusion` with these arguments, in a process of its own. */
export async function command(args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  const { input = '', onOutput } = options
  const child = start(args, options)
  const result = { code: null as number | null, stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      result[name] += text
      onOutput?.(child, result.stdout + result.stderr)
    })
  if (onOutput) child.stdin.write(input)
  else child.stdin.end(input)
  result.code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return result
}

/** What --json wrote: nothing but one object on each line. */
export const jsonLines = (text: string): Record<string, unknown>[] => {
  if (!text.endsWith('\n')) throw new Error(`no whole lines: ${text}`)
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
