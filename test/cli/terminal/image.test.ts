import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { detectProtocol, drawPicture, overPicture, terminalSize } from '../../../lib/cli/terminal/image.js'
import { testImage } from '../../models/transfusion/tiny_model.js'
import { picture } from '../half_blocks.js'

const stream = (colourDepth: number, isTTY = true) => ({
  isTTY: isTTY as true,
  columns: 80,
  rows: 24,
  getColorDepth: () => colourDepth,
})
const terminal = terminalSize(stream(24))

/** Rows and columns of a colour image. */
const colourImage = {
  width: 3,
  height: 2,
  channels: 3 as const,
  data: Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 1, 2, 3, 100, 100, 100, 95, 135, 175),
}

describe('detectProtocol', () => {
  it('knows terminals by their environment', () => {
    const detect = (env: NodeJS.ProcessEnv, depth = 24) => detectProtocol(stream(depth), env)
    expect(detect({ KITTY_WINDOW_ID: '1', TERM: 'xterm-kitty' })).toBe('kitty')
    expect(detect({ TERM: 'xterm-ghostty' })).toBe('kitty')
    expect(detect({ KONSOLE_VERSION: '230804' })).toBe('kitty')
    expect(detect({ TERM_PROGRAM: 'iTerm.app' })).toBe('iterm')
    expect(detect({ TERM_PROGRAM: 'WezTerm' })).toBe('iterm')
    expect(detect({ TERM: 'xterm-256color', LC_TERMINAL: 'iTerm2' })).toBe('iterm')
    expect(detect({ TERM: 'xterm-256color' })).toBe('blocks')
    expect(detect({ TERM: 'xterm-256color' }, 8)).toBe('blocks')
  })

  it('sends no pictures through a multiplexer, to a pipe, or where there are no colours', () => {
    expect(detectProtocol(stream(24), { TMUX: '/tmp/tmux', KITTY_WINDOW_ID: '1' })).toBe('blocks')
    expect(detectProtocol(stream(24), { TERM: 'screen-256color', TERM_PROGRAM: 'iTerm.app' })).toBe('blocks')
    expect(detectProtocol(stream(24, false), { KITTY_WINDOW_ID: '1' })).toBe('none')
    expect(detectProtocol(stream(4), { TERM: 'xterm' })).toBe('none')
    expect(detectProtocol(stream(1), { TERM: 'dumb' })).toBe('none')
  })
})

describe('half blocks', () => {
  it('show every pixel of a picture that fits, in its own colour', async () => {
    const { text, rows } = await drawPicture(colourImage, 'blocks', terminal)
    expect(rows).toBe(1)
    expect(picture(text).pixels.flat()).toEqual([...colourImage.data])
    const gray = testImage(7, 5, 1)
    const shown = picture((await drawPicture(gray, 'blocks', terminal)).text)
    expect([shown.width, shown.height]).toEqual([5, 8])
    expect(shown.pixels.slice(0, 35)).toEqual([...gray.data].map((value) => [value, value, value]))
    // Below the last row, the terminal's own background.
    expect(shown.pixels.slice(35)).toEqual(Array(5).fill(undefined))
  })

  it('end each line without colours', async () => {
    const { text } = await drawPicture(testImage(8, 6, 2), 'blocks', terminal)
    expect(text.split('\n')).toHaveLength(5)
    expect(text.split('\n').slice(0, 4)).toSatisfy((lines: string[]) =>
      lines.every((line) => line.endsWith('\x1b[0m')),
    )
  })

  it('take the nearest of 256 colours where there are no more', async () => {
    const { text } = await drawPicture(colourImage, 'blocks', terminalSize(stream(8)))
    // The fifth pixel's gray is nearer to 98 of the grays than to 95 of the cube.
    expect(picture(text).pixels).toEqual([
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
      [0, 0, 0],
      [98, 98, 98],
      [95, 135, 175],
    ])
  })

  it('shrink what is larger than the terminal, in proportion', async () => {
    const wide = { width: 400, height: 100, channels: 1 as const, data: new Uint8Array(40_000).fill(77) }
    const shown = picture((await drawPicture(wide, 'blocks', terminal)).text)
    expect(shown.width).toBe(79)
    expect(shown.pixels.slice(0, 79)).toEqual(Array.from({ length: 79 }, () => [77, 77, 77]))
    const tall = { ...wide, width: 100, height: 400 }
    const { rows } = await drawPicture(tall, 'blocks', terminal)
    expect(rows).toBe(22)
  })
})

describe('pictures as files', () => {
  const image = testImage(64, 64, 3)

  it("come in kitty's pieces of 4,096 characters, which joined are the picture", async () => {
    const { text, rows } = await drawPicture(image, 'kitty', terminal, 7)
    expect(rows).toBe(22)
    // oxlint-disable-next-line no-control-regex
    const messages = [...text.matchAll(/\x1b_G([^;]*);([^\x1b]*)\x1b\\/g)]
    expect(messages.length).toBeGreaterThan(1)
    expect(messages[0]![1]).toBe('a=T,f=100,q=2,C=1,i=7,r=22,m=1')
    expect(messages.slice(1).map(([, keys]) => keys)).toEqual([
      ...Array(messages.length - 2).fill('m=1'),
      'm=0',
    ])
    expect(messages.every(([, , data]) => data!.length <= 4096)).toBe(true)
    await checkPixels(messages.map(([, , data]) => data).join(''))
  })

  it("come in iTerm2's one message", async () => {
    const { text } = await drawPicture(image, 'iterm', terminal)
    // oxlint-disable-next-line no-control-regex
    const [, keys, data] = /\x1b\]1337;File=([^:]*):([^\x07]*)\x07/.exec(text)!
    expect(keys).toBe(`inline=1;size=${Buffer.from(data!, 'base64').length};height=22;preserveAspectRatio=1`)
    await checkPixels(data!)
  })

  it('have room made for them, wherever the terminal leaves its cursor, and can be drawn over', async () => {
    const drawn = await drawPicture(image, 'iterm', terminal)
    expect(drawn.text.startsWith(`${'\n'.repeat(22)}\x1b[22A\x1b7`)).toBe(true)
    expect(drawn.text.endsWith('\x1b8\x1b[22B\r')).toBe(true)
    expect(overPicture(drawn)).toBe('\x1b[22A\r')
  })

  async function checkPixels(base64: string) {
    const pixels = await sharp(Buffer.from(base64, 'base64')).toColourspace('b-w').raw().toBuffer()
    expect(new Uint8Array(pixels)).toEqual(image.data)
  }
})
