// Programs that may hang or crash: they are given a time, and end with all that they have started.
import { spawn } from 'node:child_process'
import { renameSync, writeFileSync } from 'node:fs'

/**
 * Runs a program for at most so many seconds; its output goes to this terminal too unless `quiet`. Resolves, whatever it does,
 * with { code, signal, late, stdout, stderr, seconds }; `code` is undefined where it could not be started or was killed.
 */
export function runWatched(program, args, { seconds, env = {}, quiet = false } = {}) {
  return new Promise((resolve) => {
    const started = performance.now()
    const result = { code: undefined, signal: undefined, late: false, stdout: '', stderr: '' }
    // A process group of its own: what it has started is killed with it.
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    const end = () => {
      clearTimeout(timer)
      resolve({ ...result, seconds: (performance.now() - started) / 1000 })
    }
    const kill = () => {
      result.late = true
      killGroup(child)
      // A process that waits within the kernel for a GPU may outlive even that.
      setTimeout(end, 10_000).unref()
    }
    const timer = setTimeout(kill, Math.max(0, seconds * 1000))
    for (const name of ['stdout', 'stderr'])
      child[name].on('data', (text) => {
        result[name] += text
        if (!quiet) process[name].write(text)
      })
    child.on('error', (error) => {
      result.stderr += error.message
      end()
    })
    child.on('close', (code, signal) => {
      result.code = code ?? undefined
      result.signal = signal ?? undefined
      end()
    })
  })
}

export function killGroup({ pid }) {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

/** How a program ended, where not as it should, in words. */
export function describeEnd({ code, signal, late, stderr }) {
  if (late) return 'was killed when its time was over'
  if (signal) return `was ended by ${signal}`
  if (code === undefined) return `could not be started: ${stderr.trim()}`
  return code === 0 ? '' : `ended with exit code ${code}: ${stderr.trim().split('\n').slice(-3).join(' | ')}`
}

/** Writes a file that is whole at every moment. */
export function writeWhole(path, value) {
  writeFileSync(`${path}.draft`, `${JSON.stringify(value, undefined, 2)}\n`)
  renameSync(`${path}.draft`, path)
}

/** Results of a slice, in the file from the first row on: { slice, rows, notes }. */
export function openResults(path, slice) {
  const results = { slice, time: new Date().toISOString(), rows: [], notes: [] }
  const write = () => writeWhole(path, results)
  write()
  return {
    add(row) {
      results.rows.push(row)
      write()
    },
    note(text) {
      console.log(`  ${text}`)
      results.notes.push(text)
      write()
    },
    /** Why there is nothing to find here, which is no problem. */
    skip(reason) {
      console.log(`  skipped: ${reason}`)
      results.skipped = reason
      write()
      return ''
    },
    /** Of our own side, '' without any: what a peer cannot do is a note. */
    problems: () => results.notes.filter((note) => note.includes('ours: ')).join('; '),
  }
}
