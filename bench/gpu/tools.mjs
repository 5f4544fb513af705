// What NVIDIA's tools and PyTorch are called here, where there are any.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { findNvcc } from '../../scripts/cuda/toolkit.mjs'

/** The path of a tool: in PATH, in CUDA_HOME, or beside nvcc; undefined without one. */
export function findTool(name) {
  const { CUDA_HOME, PATH = '' } = process.env
  const nvcc = findNvcc()
  const folders = [
    ...PATH.split(delimiter),
    ...(CUDA_HOME ? [join(CUDA_HOME, 'bin')] : []),
    ...(nvcc ? [dirname(nvcc)] : []),
    '/usr/local/cuda/bin',
  ]
  return folders.map((folder) => join(folder, name)).find(existsSync)
}

/**
 * { python, version } where a Python has torch, and a GPU unless `cpu`; else { reason }. `python`: as given, else of PYTHON, else
 * python3.
 */
export function findPyTorch({ python = process.env.PYTHON ?? 'python3', cpu = false }) {
  const code = 'import torch; print(torch.__version__, torch.cuda.is_available())'
  const { status, stdout } = spawnSync(python, ['-c', code], { encoding: 'utf8', timeout: 120_000 })
  if (status !== 0) return { reason: `${python} has no torch` }
  const [version, gpu] = stdout.trim().split(' ').slice(-2)
  if (gpu !== 'True' && !cpu) return { reason: `torch ${version} of ${python} sees no GPU` }
  return { python, version }
}
