// llama.cpp beside us: npm's node-llama-cpp with its prebuilt CPU binary, in a folder of its own, outside of the repository.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startSubject } from './subject.mjs'

const version = '3.21.1'
const usual = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'transfusion-js/llama-cpp')
const program = fileURLToPath(new URL('../peers/llama_cpp.mjs', import.meta.url))

/** The folder whose node_modules has node-llama-cpp; it is installed there, 200 MB, unless it is there. */
export function installLlamaCpp(folder = usual) {
  const manifest = join(folder, 'node_modules/node-llama-cpp/package.json')
  const found = existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version
  if (found === version) return folder
  console.log(`installing node-llama-cpp ${version} into ${folder}`)
  mkdirSync(folder, { recursive: true })
  // What is installed is the prebuilt binary of this platform; nothing is downloaded or compiled by a script.
  const args = ['install', '--prefix', folder, '--ignore-scripts', `node-llama-cpp@${version}`]
  execFileSync('npm', args, { stdio: ['ignore', 'inherit', 'inherit'] })
  return folder
}

/** Starts bench/peers/llama_cpp.mjs as a subject. */
export const startLlamaCpp = (folder, options) =>
  startSubject(process.execPath, [program], { folder, ...options })
