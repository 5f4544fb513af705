import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readImage, writePng } from '../lib/image/image_io.js'
import { saveModel } from '../lib/models/transfusion/io/folder.js'
import { scriptedModel } from './generation/scripted_model.js'
import { testImage } from './models/transfusion/tiny_model.js'
import { temporaryFolder } from './temporary_folder.js'

const example = (name: string) => fileURLToPath(new URL(`../examples/${name}`, import.meta.url))

/** A folder with a model that follows "a" by "b", an image, "c d e f". */
async function modelFolder(): Promise<string> {
  const folder = await temporaryFolder()
  const model = await scriptedModel()
  await saveModel(join(folder, 'model'), model)
  model.network[Symbol.dispose]()
  return folder
}

const run = (cwd: string, ...args: string[]) => promisify(execFile)(process.execPath, args, { cwd })
const size = { width: 6, height: 4, channels: 1 } as const

describe('the example', () => {
  it('sample.cjs writes text, and images into files', async () => {
    const folder = await modelFolder()
    const { stdout } = await run(folder, example('sample.cjs'), 'model', 'a')
    expect(stdout.replace(/\s+/g, ' ')).toMatch(/^ ?b ?\[image-1\.png\] ?c d e f $/)
    const image = await readImage(join(folder, 'image-1.png'), size)
    expect(new Set(image.data).size).toBeGreaterThan(5)
    await expect(run(folder, example('sample.cjs'), 'nowhere', 'a')).rejects.toThrow(
      'nowhere: no such folder; expected a model folder',
    )
  })

  it('describe.mjs describes pictures of any size, each in a line', async () => {
    const folder = await modelFolder()
    await writePng(join(folder, 'one.png'), testImage(40, 30, 1))
    await writePng(join(folder, 'two.png'), testImage(9, 17, 2))
    const { stdout } = await run(folder, example('describe.mjs'), 'model', 'one.png', 'two.png')
    expect(stdout).toBe('one.png: c d e f\ntwo.png: c d e f\n')
  })

  it('server.mjs streams a generation, answers meanwhile, and stops for a client that leaves', async () => {
    const { url, lines } = await startServer(await modelFolder())
    const request = (options: object, signal?: AbortSignal) =>
      fetch(`${url}/generate`, {
        method: 'POST',
        body: JSON.stringify({ prompt: 'a', ...options }),
        ...(signal && { signal }),
      })

    const events: [event: string, data: string][] = []
    let answers = 0
    for await (const event of eventsOf(await request({ steps: 200, previewEvery: 50 }))) {
      events.push(event)
      if (event[0] === 'preview') answers += (await fetch(`${url}/health`)).ok ? 1 : 0
    }
    expect(answers).toBe(events.filter(([event]) => event === 'preview').length)
    expect(answers).toBeGreaterThan(2)
    const text = events.flatMap(([event, data]) => (event === 'text' ? [data] : []))
    expect(text.join('').replace(/\s+/g, ' ').trim()).toMatch(/^b ?c d e f$/)
    const kinds = events.map(([event]) => event).filter((event, i, all) => event !== all[i - 1])
    expect(kinds).toEqual(['text', 'image-start', 'preview', 'image', 'text', 'done'])
    const [, done] = events.at(-1)!
    expect(JSON.parse(done)).toMatchObject({ reason: 'end', usage: { textTokens: 5, images: 1 } })
    const [, drawn] = events.find(([event]) => event === 'image')!
    expect((await readImage(Buffer.from(drawn, 'base64'), size)).data.length).toBe(24)

    const leaving = new AbortController()
    const endless = { steps: 1000, previewEvery: 1 }
    const partly = async () => {
      for await (const [event] of eventsOf(await request(endless, leaving.signal)))
        if (event === 'preview') leaving.abort()
    }
    await expect(partly()).rejects.toThrow('aborted')
    expect((await lines.next()).value).toBe('the client has left')

    const refused: string[] = []
    for await (const event of eventsOf(await request({ stepz: 3 }))) refused.push(...event)
    expect(refused).toEqual(['error', expect.stringContaining('stepz: unknown key; did you mean "steps"?')])
  })
})

async function startServer(folder: string) {
  const child = spawn(process.execPath, [example('server.mjs'), 'model', '0'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(async () => {
    child.kill()
    await once(child, 'exit')
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const { value: url } = await lines.next()
  return { url: url as string, lines }
}

/** Server-sent events as they arrive. */
async function* eventsOf(response: Response): AsyncGenerator<[event: string, data: string]> {
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const field = (name: string) =>
        lines
          .flatMap((line) => (line.startsWith(`${name}: `) ? [line.slice(name.length + 2)] : []))
          .join('\n')
      yield [field('event'), field('data')]
    }
  }
}
