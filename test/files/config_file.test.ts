import { describe, expect, it } from 'vitest'
import { parseConfigText } from '../../lib/files/config_file.js'

describe('parseConfigText', () => {
  it('allows comments and a comma after the last item', () => {
    const text = '// A run.\n{ "a": [1, 2,], /* more */ "b": { "c": "//" }, }\n'
    expect(parseConfigText(text, 'a.json')).toEqual({ a: [1, 2], b: { c: '//' } })
  })

  it('keeps a key that objects have of their own', () => {
    const value = parseConfigText('{ "__proto__": { "steps": 1 } }', 'a.json') as object
    expect(Object.keys(value)).toEqual(['__proto__'])
    expect('steps' in value).toBe(false)
  })

  it.each([
    ['{\n  "steps": 1,\n  "steps": 2\n}', 'a.json: line 3: the key "steps" is there twice'],
    ['{ "a": 1 /* x', 'a.json: not JSON (column 10: a comment is not closed: expected */)'],
    [
      '{\n  // many\n  "steps" = 3\n}',
      'a.json: not JSON (line 3, column 11: expected a number, true, false, null, or text in double quotes; received =)',
    ],
    ['', 'a.json: not JSON (it is empty)'],
  ])('refuses %j', (text, message) => {
    expect(() => parseConfigText(text, 'a.json')).toThrow(new Error(message))
  })

  it.each([
    ['a.yaml', 'data:\n  type: folder\n', 'YAML'],
    ['a.json', '---\ndata:\n  type: folder\n', 'YAML'],
    ['a.toml', '[data]\ntype = "folder"\n', 'TOML'],
  ])('names the format of %s', (name, text, format) => {
    expect(() => parseConfigText(text, name)).toThrow(`it seems to be ${format}, and configs are JSON`)
  })
})
