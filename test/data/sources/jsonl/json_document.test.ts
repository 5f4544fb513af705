import { describe, expect, it } from 'vitest'
import { documentOf } from '../../../../lib/data/sources/jsonl/json_document.js'

/** Texts as they are, images as "[path]". */
const read = (json: unknown, field?: string) =>
  documentOf(json, 'a.jsonl:1', '/data/a.jsonl', field).map((part) => {
    if (part.type === 'text') return part.text
    return 'path' in part ? `[${part.path}]` : { bytes: part.bytes }
  })

const png = Buffer.from(`89504e470d0a1a0a${'00'.repeat(100)}`, 'hex')
const base64 = (bytes: Buffer) => bytes.toString('base64')

describe('documentOf', () => {
  it.each([
    // Hugging Face's metadata.jsonl.
    [{ file_name: 'a.png', text: 'red' }, ['red', '[/data/a.png]']],
    [{ image_path: 'b/a.webp', caption: 'red' }, ['red', '[/data/b/a.webp]']],
    [{ img: '/a', text: 'red' }, ['red', '[/a]']],
    [{ path: 'a.JPG', text: 'red' }, ['red', '[/data/a.JPG]']],
    [{ image: 'file:///b/a%20b.png', text: 'red' }, ['red', '[/b/a b.png]']],
    [{ image: 'shots\\a.png', text: 'red' }, ['red', '[/data/shots/a.png]']],
    [{ image: { path: 'a.png', bytes: null }, text: 'red' }, ['red', '[/data/a.png]']],
    [{ images: ['a.png'], text: '<image>red' }, ['[/data/a.png]', 'red']],
    [{ images: ['a.png'], text: 'red' }, ['red', '[/data/a.png]']],
    [
      { images: ['a.png', 'b.png'], text: ' between <image> and\n<image> \n' },
      ['between ', '[/data/a.png]', ' and', '[/data/b.png]'],
    ],
    [{ image: 'data:image/png;base64,AAEC', text: 'red' }, ['red', { bytes: Buffer.from([0, 1, 2]) }]],
    // Transformers' and Qwen's contents of turns.
    ...[
      { type: 'image', url: 'a.png' },
      { type: 'image', path: 'a.png', text: null },
      { image: 'a.png' },
    ].map((image): [object, string[]] => [
      { messages: [{ role: 'user', content: [image, { text: 'red' }] }] },
      ['[/data/a.png]', 'red'],
    ]),
    [
      { messages: [{ role: 'user', content: [{ type: 'image', base64: base64(png) }, 'red'] }] },
      [{ bytes: png }, 'red'],
    ],
    // As pandas writes Hugging Face's images.
    [{ image: { bytes: base64(png), path: 'gone.png' }, text: 'red' }, ['red', { bytes: png }]],
    [{ image: 'a.png', caption: null, text: 'red' }, ['red', '[/data/a.png]']],
    // Where the image came from, or its name again.
    [
      { image_path: 'a.png', image: 'https://x.org/a.png', url: 'https://x.org/a.png', text: 'red' },
      ['red', '[/data/a.png]'],
    ],
    [
      { image: 'b/a.png', file_name: 'a.png', original_image: 'a.png', caption: 'red' },
      ['red', '[/data/b/a.png]'],
    ],
    // Texts that have addresses, files and figures, too.
    [{ text: 'words', url: 'https://x.org/page', path: 'lib/a.ts', title: 'File.jpg' }, ['words']],
    [{ text: 'words', image_id: 'a7', image_width: 3, has_image: 'no', image: null, images: [] }, ['words']],
    [{ text: 'an <image> tag' }, ['an <image> tag']],
  ])('reads %j', (json, parts) => expect(read(json)).toEqual(parts))

  it('takes the text of a field of its own before a caption', () => {
    const json = { image: 'a.png', caption: 'short', long: 'a long one' }
    expect(read(json)).toEqual(['short', '[/data/a.png]'])
    expect(read(json, 'long')).toEqual(['a long one', '[/data/a.png]'])
    expect(read(json, 'longer')).toEqual(['short', '[/data/a.png]'])
  })

  it.each([
    [
      {
        image: 'a.png',
        conversations: [
          { from: 'human', value: '<image>\nWhat is it?' },
          { from: 'gpt', value: 'A cat.' },
        ],
      },
      ['[/data/a.png]', 'What is it?\nA cat.'],
    ],
    [
      {
        images: ['a.png', 'b.png'],
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'or ' }, { type: 'image' }] },
          { role: 'assistant', content: null },
          { role: 'assistant', content: 'The first.' },
        ],
      },
      ['Be brief.\n', '[/data/a.png]', 'or ', '[/data/b.png]', '\nThe first.'],
    ],
    [
      {
        messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'a.png' } }, 'What?'] }],
      },
      ['[/data/a.png]', 'What?'],
    ],
    [
      {
        messages: [
          { role: 'user', content: 'Hi' },
          { role: 'assistant', content: 'Hello' },
        ],
      },
      ['Hi\nHello'],
    ],
  ])('reads the conversation %j', (json, parts) => expect(read(json)).toEqual(parts))

  it.each([
    [
      { picture: 'a.png', text: 'x' },
      '"picture" looks like the key of an image or other media, which is not read: images',
    ],
    [{ photo: 'a', text: 'x' }, '"photo" looks like'],
    [{ imageFile: 'a', text: 'x' }, '"imageFile" looks like'],
    [{ screenshot: ['a.gif', 'b.gif'], text: 'x' }, '"screenshot" looks like'],
    [{ target: 'b.jpeg', text: 'x' }, '"target" looks like'],
    [{ anything: 'b.bmp', text: 'x' }, '"anything" looks like'],
    [{ video: 'a.mp4', text: 'x' }, '"video" looks like'],
    [
      { image: 'a.png', conditioning_image: 'b.png', text: 'x' },
      '"conditioning_image" looks like the key of an image or other media, which is not read beside "image"',
    ],
    [{ image: 'a.png', images: ['b.png'], text: 'x' }, '"images" looks like'],
    [
      { url: 'https://x.org/a.jpg?w=7', caption: 'x' },
      '"https://x.org/a.jpg?w=7" is not a file; only files are read',
    ],
    [{ image_url: 's3://x/a', caption: 'x' }, '"s3://x/a" is not a file'],
    [{ image: 'data:image/svg+xml,<svg/>', text: 'x' }, 'data URLs are read in base64'],
    [
      { image: 'iVBORw0KGgo'.repeat(20), text: 'x' },
      'is no path; base64 is expected as data:image/png;base64,...',
    ],
    [
      { image: { bytes: 'abc' }, text: 'x' },
      'expected an image file\'s path or data:image/png;base64,...; received {"bytes":"abc"}',
    ],
    [
      { images: ['a.png', 'b.png'], text: '<image> x' },
      'expected as many "<image>" in the text as there are images, 2; received 1',
    ],
    [{ images: ['a.png', 'b.png'], text: 'x' }, 'as there are images, 2; received 0'],
    [{ images: [], text: '<image> x' }, 'as there are images, 0; received 1'],
    [{ conversations: [{ from: 'human', value: '<image> x' }] }, 'as there are images, 0; received 1'],
    [{ messages: ['x'] }, 'messages[0]: expected a turn, {"from": "human", "value": "..."} or'],
    [{ messages: [{ content: [{ type: 'audio' }] }] }, 'messages[0].content[0]: expected {"type": "text"'],
    [
      { file_name: 'a.png', prompt: 'x' },
      'text: expected string; received nothing; its keys are "file_name", "prompt"; the data\'s "field" may name another',
    ],
    [{ image: 'a.png', caption: ['x', 'y'] }, 'caption: expected string; received ["x","y"]'],
    [{ image: 'a.png', text: '<image>' }, 'its text is empty'],
    [{ image: 'a.png', caption: null }, 'caption: expected string; received null'],
    [{ image: 'file://server/a.png', text: 'x' }, '"file://server/a.png" names no file of this machine'],
    [{ image: 'a.png\n', text: 'x' }, '"a.png\\n" is no path: it holds control characters'],
    [
      { messages: [{ content: [{ type: 'image', source: { type: 'base64', data: 'AAAA' } }, 'x'] }] },
      'messages[0].content[0]: expected {"type": "text"',
    ],
    // Hugging Face's folders of sounds, films and papers.
    ...['a.wav', 'b/a.mp4', 'a.PDF'].map((file): [object, string] => [
      { file_name: file, text: 'x' },
      '"file_name" looks like the key of an image or other media, which is not read',
    ]),
    [
      Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`key${i}`, i])),
      '"key8", "key9" and 490 more;',
    ],
  ])('refuses %j', (json, message) => {
    const act = () => read(json)
    expect(act).toThrow(message)
    expect(act).toThrow(/^a\.jsonl:1:/)
    expect(act).not.toThrow(/.{1000}/s)
  })
})
