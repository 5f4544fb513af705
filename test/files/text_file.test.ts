import { describe, expect, it } from 'vitest'
import { decodeText } from '../../lib/files/text_file.js'

const text = 'a dog, 犬 🐕\n'
const utf16be = (value: string) => Buffer.from(value, 'utf16le').swap16()

describe('decodeText', () => {
  it('reads UTF-8 with and without a byte order mark, and UTF-16 with one', () => {
    expect(decodeText(Buffer.from(text), 'a.txt')).toBe(text)
    expect(decodeText(Buffer.from(`\uFEFF${text}`), 'a.txt')).toBe(text)
    expect(decodeText(Buffer.from(`\uFEFF${text}`, 'utf16le'), 'a.txt')).toBe(text)
    expect(decodeText(utf16be(`\uFEFF${text}`), 'a.txt')).toBe(text)
  })

  it('keeps a mark that does not begin the text', () => {
    expect(decodeText(Buffer.from('a\uFEFFb'), 'a.txt')).toBe('a\uFEFFb')
  })

  it('names what is no text', () => {
    expect(() => decodeText(Buffer.from('caf\xe9', 'latin1'), 'shots/a.txt')).toThrow(
      'shots/a.txt: its text is not UTF-8; expected UTF-8, or UTF-16 that begins with a byte order mark',
    )
    expect(() => decodeText(Buffer.from([0xff, 0xfe, 0x00, 0xd8]), 'a.txt')).toThrow('is not UTF-16LE')
  })
})
