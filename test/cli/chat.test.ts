import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { writePng } from '../../lib/image/image_io.js'
import { testImage } from '../models/transfusion/tiny_model.js'
import { command, type CommandOptions } from './command.js'
import { scriptedFolder } from './scripted_folder.js'

let folder: string

beforeEach(async () => {
  folder = await scriptedFolder()
  await writePng(join(folder, 'picture.png'), testImage(4, 6, 1))
})

const chat = (args: readonly string[], options: Partial<CommandOptions>) =>
  command(['chat', 'model', '--steps', '3', ...args], { cwd: folder, ...options })

describe('transfusion chat', () => {
  it('goes on with one document, which it saves as training reads it', async () => {
    const { code, stdout, stderr } = await chat([], {
      input: 'a\n/save one.jsonl\n/reset\n/image "picture.png"\n\n/save "two.jsonl"\n/quit\na\n',
    })
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'b\nc d e f\nc d e f\n' })
    expect(stderr).toMatch(/^seeds from \d+ on\n/)
    expect(stderr).toContain('(the document ends here for the model; /reset begins another)')
    expect(JSON.parse(await readFile(join(folder, 'one.jsonl'), 'utf8'))).toEqual({
      parts: ['a', 'b', { image: join('samples', '0001.png') }, 'c d e f'],
    })
    expect(JSON.parse(await readFile(join(folder, 'two.jsonl'), 'utf8'))).toEqual({
      parts: [{ image: 'picture.png' }, 'c d e f'],
    })
  })

  it('names the words that the tokenizer does not know', async () => {
    const { stderr } = await chat(['--max-images', '0'], { input: 'a zebra\na\n' })
    expect(stderr.match(/does not know "zebra"/g)).toHaveLength(1)
  })

  it('generates an image on demand, and takes the next seed for each answer', async () => {
    const { code, stdout } = await chat(['--seed', '0'], {
      input: '/draw a\n/reset\n/draw a\n/reset\n/seed 1\n/draw a\n',
    })
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    const files = await readdir(join(folder, 'samples'))
    expect(files).toEqual(['0001.png', '0002.png', '0003.png'])
    const [first, second, third] = await Promise.all(
      files.map((file) => readFile(join(folder, 'samples', file))),
    )
    expect(second!.equals(first!)).toBe(false)
    expect(third!.equals(second!)).toBe(true)
  })

  it('says what is wrong with a line, goes on, and tells scripts by its exit code', async () => {
    const { code, stdout, stderr } = await chat(['--max-images', '0'], {
      input:
        '/drew a\n/image missing.png\n/image\n/seed x\n/save model/config.json\nb\n/save model/config.json\n',
    })
    expect({ code, stdout }).toEqual({ code: 1, stdout: 'e f\n' })
    expect(stderr).toContain('/drew: unknown command; did you mean "draw"?')
    expect(stderr).toContain('missing.png: cannot be read as an image')
    expect(stderr).toContain('expected /image FILE')
    expect(stderr).toContain('/seed: expected a whole number, received "x"')
    expect(stderr).toContain('/save: the document is empty')
    expect(stderr).toContain('/save: model/config.json exists already, and stays as it is')
  })

  it('on SIGINT stops the answer and not the program; without an answer it ends', async () => {
    const sent: string[] = []
    const { code, stdout, stderr } = await chat(['--preview-every', '1', '--steps', '1000'], {
      input: '/draw a\n',
      onOutput(child, output) {
        if (sent.length === 0 && output.includes('-step-')) sent.push(String(child.kill('SIGINT')))
        else if (sent.length === 1 && output.includes('(stopped)')) {
          sent.push('line')
          child.stdin.write('/reset\n/image picture.png\n\n')
        } else if (sent.length === 2 && output.includes('(the document ends here'))
          sent.push(String(child.kill('SIGINT')))
      },
    })
    expect(sent).toEqual(['true', 'line', 'true'])
    expect({ code, stdout }).toEqual({ code: 130, stdout: 'c d e f\n' })
    expect(stderr).toContain('(stopped)')
  })

  it('answers to messages where the model has a chat template, unless it is told to leave that alone', async () => {
    const template =
      '{% for message in messages %}{{ message.content }} {% endfor %}{% if add_generation_prompt %}a{% endif %}'
    const cwd = await scriptedFolder(template)
    const said = await chat(['--max-images', '0', '--system', 'g'], {
      cwd,
      input: 'c\n\nd\n/save one.jsonl\n',
    })
    expect({ code: said.code, stdout: said.stdout }).toEqual({ code: 1, stdout: 'b e f\nb e f\n' })
    expect(said.stderr).toContain('a message of text or images is missing')
    expect(said.stderr).not.toContain('the document ends here')
    expect(JSON.parse(await readFile(join(cwd, 'one.jsonl'), 'utf8'))).toEqual({
      parts: ['c', 'b e f', ' d', 'b e f'],
    })
    const written = await chat(['--max-images', '0', '--no-template'], { cwd, input: 'c\n' })
    expect({ code: written.code, stdout: written.stdout }).toEqual({ code: 0, stdout: 'd e f\n' })
    const refused = await chat(['--system', 'g'], { input: 'c\n' })
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toContain('a system message needs a model with a chat template')
  })
})
