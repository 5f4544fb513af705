// What ptxas and the disassembler say of each kernel: registers, memory, instructions of the main loop.
import { readFileSync } from 'node:fs'
import { basename, delimiter, dirname, join } from 'node:path'
import { capture } from '../run.mjs'
import { findNvcc } from './toolkit.mjs'

/** Of a multiprocessor, by compute capability: what limits how many blocks it holds (CUDA programming guide, table 24). */
const multiprocessor = {
  80: { warps: 64, blocks: 32, shared: 164 * 1024 },
  86: { warps: 48, blocks: 16, shared: 100 * 1024 },
  89: { warps: 48, blocks: 24, shared: 100 * 1024 },
  90: { warps: 64, blocks: 32, shared: 228 * 1024 },
  100: { warps: 64, blocks: 32, shared: 228 * 1024 },
  120: { warps: 48, blocks: 32, shared: 100 * 1024 },
}
const registersOfMultiprocessor = 65536
/** The system's own share of a block's shared memory. */
const reservedShared = 1024

const cubinOf = (folder, image, architecture) => join(folder, `${image}.${architecture}.cubin`)

/** What ptxas says of the kernels of an image. */
export function compiled(folder, image, architecture) {
  const kernels = []
  const path = `${cubinOf(folder, image, architecture)}.log`
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const name = /Compiling entry function '(\w+)'/.exec(line)?.[1]
    if (name) kernels.push({ name, shared: 0 })
    const kernel = kernels.at(-1)
    const frame = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line)
    if (frame) kernel.stack = Number(frame[1])
    if (frame) kernel.spilled = Number(frame[2]) + Number(frame[3])
    const registers = /Used (\d+) registers/.exec(line)
    if (registers) kernel.registers = Number(registers[1])
    const shared = /(\d+) bytes smem/.exec(line)
    if (shared) kernel.shared = Number(shared[1])
  }
  return kernels
}

/** Threads of a block by kernel, as __launch_bounds__ says. */
function parseThreads(ptxPath) {
  const threads = {}
  for (const [, name, count] of readFileSync(ptxPath, 'utf8').matchAll(
    /\.entry (\w+)\([^)]*\)\s*\.maxntid (\d+)/g,
  ))
    threads[name] = Number(count)
  return threads
}

/** The share of a multiprocessor's warps that blocks of a kernel fill. */
export function occupancy({ registers, shared, threads }, architecture) {
  const limit = multiprocessor[architecture]
  const warps = Math.ceil(threads / 32)
  // Registers are given to warps in units of 256.
  const registersOfBlock = warps * Math.ceil((registers * 32) / 256) * 256
  const blocks = Math.min(
    Math.floor(limit.warps / warps),
    Math.floor(registersOfMultiprocessor / registersOfBlock),
    Math.floor(limit.shared / (shared + reservedShared)),
    limit.blocks,
  )
  return (blocks * warps) / limit.warps
}

const classes = {
  tensor: /^HMMA/,
  matrixLoad: /^LDSM/,
  asyncCopy: /^LDGSTS/,
  wideCopy: /^LDGSTS.*\.128/,
  globalLoad: /^LDG/,
  globalStore: /^STG/,
  sharedLoad: /^LDS(?!M)/,
  sharedStore: /^STS/,
  wideShared: /^(LDS|STS)\..*128/,
  special: /^MUFU/,
  barrier: /^BAR/,
}

const count = (instructions) =>
  Object.fromEntries([
    ['all', instructions.length],
    ...Object.entries(classes).map(([name, pattern]) => [
      name,
      instructions.filter(({ operation }) => pattern.test(operation)).length,
    ]),
  ])

/**
 * The turn of a loop that nearly all are: of the ways through it that compute products, that with the fewest tensor core
 * instructions, then the most asynchronous copies, then the fewest others. Masks of tiles that not all rows see, loads of rows
 * that are no multiples of 16 bytes, and what rounding loses of large p in attention, are branches beside it.
 */
function usualTurn(loop) {
  const [most, fewest] = [1, -1].map((sign) => bestTurn(loop, sign))
  const products = (turn) => count(turn).tensor
  return products(fewest) > products(most) / 2 ? fewest : most
}

/** `sign`: of the most tensor core instructions (1) or the fewest (-1). */
function bestTurn(loop, sign) {
  const places = new Map(loop.map(({ address }, i) => [address, i]))
  const better = (a, b) => sign * (a.tensor - b.tensor) || a.asyncCopy - b.asyncCopy || b.length - a.length
  const ways = Array(loop.length)
  ways[0] = { tensor: 0, asyncCopy: 0, length: 0 }
  for (const [i, { operation, target, conditional }] of loop.entries()) {
    const way = ways[i]
    if (!way) continue
    const extended = {
      tensor: way.tensor + classes.tensor.test(operation),
      asyncCopy: way.asyncCopy + classes.asyncCopy.test(operation),
      length: way.length + 1,
      last: i,
      before: way,
    }
    const goesOn = target === undefined || conditional || i === loop.length - 1
    const targets = goesOn ? [i + 1] : []
    // Inner loops' turns back, and ways out of this one, lead nowhere.
    if (places.get(target) > i) targets.push(places.get(target))
    for (const next of targets) if (!ways[next] || better(extended, ways[next]) > 0) ways[next] = extended
  }
  const turn = []
  for (let way = ways[loop.length]; way?.before; way = way.before) turn.unshift(loop[way.last])
  return turn
}

/**
 * The usual turn of the loop with the most tensor core instructions, without the loops around it; undefined where none has
 * any.
 */
function mainLoop(instructions) {
  const loops = instructions
    .filter(({ target, address }) => target !== undefined && target < address)
    .map(({ target, address }) =>
      instructions.filter((other) => other.address >= target && other.address <= address),
    )
  let [best, most] = [undefined, 0]
  for (const loop of loops) {
    const { tensor } = count(loop)
    if (tensor === 0 || tensor < most || (tensor === most && loop.length >= best.length)) continue
    ;[best, most] = [loop, tensor]
  }
  return best && count(usualTurn(best))
}

/** Machine code of an image: instructions of each kernel's main loop, by class. */
function disassemble(cubinPath) {
  const folder = dirname(findNvcc())
  const text = capture(join(folder, 'cuobjdump'), ['-sass', cubinPath], {
    env: { ...process.env, PATH: [folder, process.env.PATH].join(delimiter) },
    maxBuffer: 1 << 30,
  })
  const kernels = {}
  for (const part of text.split(/\n\s*Function : /).slice(1)) {
    const name = /^\w+/.exec(part)[0]
    const instructions = [
      ...part.matchAll(/\/\*([0-9a-f]{4,})\*\/\s+(@!?U?P\w+ )?([A-Z][\w.]*)\s*([^;]*);/g),
    ].map(([, address, predicate, operation, operands]) => ({
      address: parseInt(address, 16),
      // What ptxas puts beside asynchronous copies and never happens.
      operation: /^@!U?PT /.test(predicate ?? '') ? 'NOP' : operation,
      conditional: predicate !== undefined || operands.includes(','),
      target: operation.startsWith('BRA') ? parseInt(/0x([0-9a-f]+)\s*$/.exec(operands)?.[1], 16) : undefined,
    }))
    kernels[name] = { loop: mainLoop(instructions) }
  }
  return kernels
}

/** All kernels of an image for an architecture; the main loops of those that compute on tensor cores. */
export function statisticsOf(folder, image, architecture) {
  const ptx = join(folder, `${image}.ptx`)
  const threads = parseThreads(ptx)
  // Disassembling takes longest.
  const code = readFileSync(ptx, 'utf8').includes('mma.sync')
    ? disassemble(cubinOf(folder, image, architecture))
    : {}
  return compiled(folder, image, architecture).map((kernel) => ({
    ...kernel,
    image: basename(image),
    threads: threads[kernel.name],
    ...code[kernel.name],
  }))
}
