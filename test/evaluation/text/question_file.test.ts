import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { writePng } from '../../../lib/image/image_io.js'
import { readQuestions } from '../../../lib/evaluation/text/question_file.js'
import type { AnsweredQuestion } from '../../../lib/evaluation/text/question_layouts.js'
import { testImage } from '../../models/transfusion/tiny_model.js'
import { temporaryFolder } from '../../temporary_folder.js'

const image = testImage(4, 6, 1)

async function read(...lines: string[]): Promise<{ path: string; questions: AnsweredQuestion[] }> {
  const folder = await temporaryFolder()
  await writePng(join(folder, 'a.png'), image)
  const path = join(folder, 'questions.jsonl')
  await writeFile(path, lines.join('\n'))
  const questions: AnsweredQuestion[] = []
  for await (const question of readQuestions(path, { width: 6, height: 4, channels: 1 }))
    questions.push(question)
  return { path, questions }
}

it('reads contexts of text, and of text and images beside the file', async () => {
  const { questions } = await read(
    '{"context": "Two and two are", "options": [" four", " five"], "answer": 0}',
    '',
    '{"context": ["What is this?", {"image": "a.png"}], "options": ["a", "b", "c"], "answer": 2, "id": 7}',
  )
  expect(questions).toEqual([
    { context: ['Two and two are'], options: [' four', ' five'], answer: 0 },
    { context: ['What is this?', image], options: ['a', 'b', 'c'], answer: 2 },
  ])
})

it('knows the lines of public test sets', async () => {
  const { questions } = await read(
    '{"goal": "Dry a plate", "sol1": "Use a towel", "sol2": "Use a hose", "label": 0}',
    '{"context": "a", "options": ["b", "c"], "answer": 1}',
  )
  expect(questions.map(({ answer, options }) => options[answer])).toEqual([' Use a towel', 'c'])
  await expect(read('{"goal": "a", "sol1": "b", "sol2": "c", "label": 2}')).rejects.toThrow(
    /questions\.jsonl:1/,
  )
})

it('names the line and what is wrong with it', async () => {
  const good = '{"context": "a", "options": ["b", "c"], "answer": 0}'
  await expect(read(good, 'a b')).rejects.toThrow(/questions\.jsonl:2: not JSON/)
  await expect(read(good.replace('0', '2'))).rejects.toThrow(
    'answer: expected the number of an option, from 0',
  )
  await expect(read(good.replace(', "c"', ''))).rejects.toThrow('options')
  await expect(read(good.replace('"a"', '3'))).rejects.toThrow('context: expected a text, or a list')
  await expect(read(good.replace('"a"', '[{"image": "b.png"}]'))).rejects.toThrow('b.png')
})
