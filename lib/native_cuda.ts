import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { native } from './native.js'
import { packageRoot, version } from './version.js'

const require = createRequire(import.meta.url)
const platform = `${process.platform}-${process.arch}`
const supportedPlatform = 'linux-x64'
const cudaPackage = `@transfusion-js/${supportedPlatform}-cuda`
const missing = 'this build has no CUDA backend'
const fileName = 'libtransfusion_cuda.so'

/** Why there is no library of the CUDA backend, or its path. */
type Found = { path: string } | { problem: string }

function findInPackage(): Found | undefined {
  let manifest: string
  try {
    manifest = require.resolve(`${cudaPackage}/package.json`)
  } catch {
    return undefined
  }
  const { version: found } = require(manifest) as { version: string }
  if (found !== version)
    return { problem: `${cudaPackage} is of version ${found}, this is transfusion-js ${version}` }
  return { path: join(dirname(manifest), fileName) }
}

function findLibrary(): Found {
  // An override is an order, as TRANSFUSION_NATIVE is.
  const override = process.env['TRANSFUSION_CUDA_LIBRARY']
  if (override) {
    const path = resolve(override)
    return existsSync(path)
      ? { path }
      : { problem: `${missing}: TRANSFUSION_CUDA_LIBRARY=${override} names no file` }
  }
  const local = join(packageRoot, 'build/cuda', fileName)
  if (existsSync(local)) return { path: local }
  const remedy =
    platform === supportedPlatform
      ? `install ${cudaPackage} ${version}, or run \`npm run build:cuda\` in a clone`
      : `it is made for ${supportedPlatform} alone, this is ${platform}`
  return findInPackage() ?? { problem: `${missing}: ${remedy}` }
}

/** Loads the library of the CUDA backend and the driver, once for the process. Why that fails, or nothing. */
export function openCuda(): string | undefined {
  const found = findLibrary()
  if ('problem' in found) return found.problem
  return native.open_cuda(found.path, version!, process.env['TRANSFUSION_CUDA_DRIVER'] ?? '') || undefined
}
