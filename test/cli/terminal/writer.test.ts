import { describe, expect, it } from 'vitest'
import type { SavedEvent } from '../../../lib/generation/saved_events.js'
import type { ImageProtocol } from '../../../lib/cli/terminal/image.js'
import { TerminalWriter } from '../../../lib/cli/terminal/writer.js'
import { testImage } from '../../models/transfusion/tiny_model.js'

/** A writer to a terminal, or to a file, and what comes of it: notes are marked with >. */
function terminal({ tty = true, protocol = 'blocks' as ImageProtocol } = {}) {
  const written: string[] = []
  const out = {
    isTTY: tty as true,
    columns: 80,
    rows: 24,
    getColorDepth: () => 24,
    write: (text: string) => written.push(text) > 0,
  }
  const notes = { write: (text: string) => written.push(`> ${text}`) }
  return { writer: new TerminalWriter({ out, notes, protocol }), written: () => written.splice(0).join('') }
}

const image = testImage(4, 6, 1)
const preview = (step: number, file?: string): SavedEvent => ({
  type: 'preview',
  index: 0,
  image,
  step,
  steps: 10,
  file,
})
const up = '\x1b[2A\r'

describe('TerminalWriter', () => {
  it('draws previews and their image in one place, and what comes later in another', async () => {
    const { writer, written } = terminal()
    writer.text('a bag')
    await writer.write({ type: 'image-start', index: 0, width: 6, height: 4, steps: 10 })
    await writer.write(preview(1))
    expect(written()).toMatch(/^a bag\n\x1b\[38/) // oxlint-disable-line no-control-regex
    await writer.write(preview(2))
    expect(written().startsWith(up)).toBe(true)
    await writer.write({ type: 'image', index: 0, image, file: '0001.png' })
    const shown = written()
    expect(shown.startsWith(up)).toBe(true)
    expect(shown.endsWith('\x1b[0m\n> 0001.png\n')).toBe(true)
    await writer.write(preview(1))
    expect(written().startsWith(up)).toBe(false)
  })

  it('leaves the preview of an answer that was stopped where it is', async () => {
    const { writer, written } = terminal()
    await writer.write(preview(1))
    writer.note('(stopped)')
    expect(written().endsWith('> (stopped)\n')).toBe(true)
    await writer.write(preview(1))
    expect(written().startsWith(up)).toBe(false)
  })

  it('names the files of previews where none are shown', async () => {
    const { writer, written } = terminal({ tty: false, protocol: 'none' })
    await writer.write(preview(1, '0001-step-0001.png'))
    expect(written()).toBe('> 0001-step-0001.png\n')
  })

  it("keeps a model's control characters from a terminal, and gives them to a file", () => {
    for (const [tty, expected] of [
      [true, 'a\tb\n\ufffd]0;title\ufffdc\ufffd'],
      [false, 'a\tb\n\x1b]0;title\x07c\x9b'],
    ] as const) {
      const { writer, written } = terminal({ tty })
      writer.text('a\tb\n\x1b]0;title\x07c\x9b')
      expect(written()).toBe(expected)
    }
  })
})
