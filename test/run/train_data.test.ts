import { describe, expect, it } from 'vitest'
import { LeftOutReport } from '../../lib/run/left_out_report.js'
import { spreadTexts } from '../../lib/run/generative/texts.js'
import { textsOfAll, unreadablePolicy } from '../../lib/run/train_data.js'
import { LeftOut } from '../../lib/data/left_out.js'
import type { RawPart } from '../../lib/data/document.js'
import type { DocumentSource } from '../../lib/data/sources/document_source.js'
import { collect, grey, sourceOf, text } from '../data/stream/documents.js'

const alone = (source: DocumentSource) => [{ source, weight: 1 }]

describe('spreadTexts', () => {
  it('takes captions from all over data that is stored class by class, the same ones again', async () => {
    const classes = Array.from({ length: 10 }, (_, i) => `class ${i}`)
    const source = sourceOf(
      classes.flatMap((name) => Array.from({ length: 500 }, () => [text(name), grey(1)] as RawPart[])),
    )
    const texts = await spreadTexts(alone(source), 10)
    expect(texts.toSorted()).toEqual(classes)
    expect(await spreadTexts(alone(source), 10)).toEqual(texts)
    expect(await spreadTexts(alone(source), 3)).toHaveLength(3)
  })

  it('takes from every source in turn, of one with images what is beside images, and nothing long', async () => {
    const captions = sourceOf([
      [text('a'), grey(1)],
      [text('words')],
      [text('b'), grey(2)],
      [text('x'.repeat(81)), grey(3)],
      new Error('broken'),
    ])
    const texts = sourceOf([[text('c')], [text('d')], [text('a')]])
    const found = await spreadTexts([...alone(captions), ...alone(texts)], 10)
    expect(found.toSorted()).toEqual(['a', 'b', 'c', 'd'])
    expect(['a', 'b']).toContain(found[0])
  })
})

describe('LeftOutReport', () => {
  it('tells of a few documents of each kind once, and at the end of all that is left out', async () => {
    const leftOut = new LeftOut()
    leftOut.count('unread', 'shots', 3, 'shots/a.psd')
    const unreadable = Array.from({ length: 7 }, (_, i) => ({
      name: `${i}.png`,
      error: new Error(`${i}.png: its caption is missing`),
      reason: 'uncaptioned' as const,
    }))
    const source = { ...sourceOf([[text('a')], new Error('b: is broken')]), unreadable, leftOut }
    source.once = async function* () {
      yield* unreadable
      yield* sourceOf([[text('a')], new Error('b: is broken')]).once()
    }
    const told: string[] = []
    const report = new LeftOutReport((line) => told.push(line))
    const policy = unreadablePolicy({ onUnreadable: 'skip' }, report.onSkip)
    for (let epoch = 0; epoch < 2; epoch++)
      expect(await collect(textsOfAll(alone(source), policy))).toEqual(['a'])
    expect(told).toEqual([
      ...unreadable.slice(0, 5).map(({ error }) => `left out: ${error.message}`),
      'left out: b: is broken',
    ])
    expect(report.summary(alone(source))).toEqual([
      'left out: 7 images without a caption (first: 0.png)',
      'left out: 1 document that cannot be read (document 1)',
      'left out: 3 other files (first: shots/a.psd)',
    ])
  })
})
