import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { evaluateConfigSchema } from '../../lib/evaluation/tasks/evaluate_config.js'
import { trainConfigSchema } from '../../lib/run/train_config.js'
import { filePath, resolvePaths } from '../../lib/config/paths.js'

describe('resolvePaths', () => {
  it.each([
    ['a folder', { type: 'folder', path: 'pictures' }, { type: 'folder', path: '/c/pictures' }],
    ['a list', { type: 'text', path: ['a/*.txt', '/b'] }, { type: 'text', path: ['/c/a/*.txt', '/b'] }],
    ['a pattern above', { type: 'tar', path: '../{000..127}.tar' }, { type: 'tar', path: '/{000..127}.tar' }],
    [
      'the home folder',
      { type: 'jsonl', path: '~/a.jsonl' },
      { type: 'jsonl', path: join(homedir(), 'a.jsonl') },
    ],
    [
      'a mixture, and no other texts',
      {
        type: 'mixture',
        sources: [
          { type: 'idx', images: 'i', labels: 'l', classNames: ['c'] },
          { type: 'folder', path: 'p' },
        ],
      },
      {
        type: 'mixture',
        sources: [
          { type: 'idx', images: '/c/i', labels: '/c/l', classNames: ['c'] },
          { type: 'folder', path: '/c/p' },
        ],
      },
    ],
    ['nothing of another type', { type: 'folder', path: 3 }, { type: 'folder', path: 3 }],
    ['no URL', { type: 'tar', path: 'https://a/b.tar' }, { type: 'tar', path: 'https://a/b.tar' }],
    ['nothing that is empty', { type: 'folder', path: '' }, { type: 'folder', path: '' }],
  ])('finds %s among data', (_, data, resolved) => {
    const model = { image: { channels: 3 } }
    expect(resolvePaths(trainConfigSchema, { data, model }, '/c')).toEqual({ data: resolved, model })
  })

  it('finds tokenizers, and what models are evaluated on', () => {
    expect(resolvePaths(trainConfigSchema, { tokenizer: { type: 'file', path: 't.json' } }, '/c')).toEqual({
      tokenizer: { type: 'file', path: '/c/t.json' },
    })
    const split = { images: 'i', labels: 'l' }
    const tasks = [
      { type: 'questions', path: 'q.jsonl' },
      { type: 'classes', data: { type: 'idx', training: split, test: split } },
      { type: 'text', data: { type: 'text', path: 't' } },
    ]
    const resolved = { images: '/c/i', labels: '/c/l' }
    expect(resolvePaths(evaluateConfigSchema, { tasks }, '/c')).toEqual({
      tasks: [
        { type: 'questions', path: '/c/q.jsonl' },
        { type: 'classes', data: { type: 'idx', training: resolved, test: resolved } },
        { type: 'text', data: { type: 'text', path: '/c/t' } },
      ],
    })
  })

  it('takes paths of files alone', () => {
    for (const path of ['a', './a b', '/a', '~/a', 'C:\\a', 'a:b', '{00..10}.tar'])
      expect(filePath.parse(path)).toBe(path)
    for (const path of ['https://a/b.tar', 's3://a', 'hf://datasets/a', 'file:///a'])
      expect(filePath.safeParse(path).error?.issues[0]?.message).toContain('nothing is fetched')
  })

  it.each([[3], [null], ['text'], [[]], [{ data: null }], [{ data: [] }], [{ tokenizer: 'file' }]])(
    'leaves %j to the schema',
    (value) => {
      expect(resolvePaths(trainConfigSchema, value, '/c')).toEqual(value)
    },
  )
})
