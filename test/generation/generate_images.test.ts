import { beforeEach, expect, it, vi } from 'vitest'
import type { Image } from '../../lib/image/image.js'
import { completeTexts, generateOnce } from '../../lib/generation/batch.js'
import { generateImages } from '../../lib/generation/generate_images.js'
import { scriptedModel } from './scripted_model.js'

vi.mock('../../lib/generation/batch.js')

const model = await scriptedModel()
const imageOf = (seed: number): Image => ({
  width: 1,
  height: 1,
  channels: 1,
  data: Uint8Array.of(seed % 251),
})
/** Every third image is described as it should be. */
const readsRight = ({ data }: Image) => data[0]! % 3 === 0

const generated: number[][] = []
beforeEach(() => {
  generated.length = 0
  vi.mocked(generateOnce).mockImplementation(async (_model, _prompts, seeds) => {
    generated.push([...seeds])
    return seeds.map(imageOf)
  })
  vi.mocked(completeTexts).mockImplementation(async (_model, prompts) =>
    prompts.map((prompt) => (readsRight(prompt[0] as Image) ? ' a b ' : 'a b c')),
  )
})

const prompts = Array.from({ length: 12 }, () => 'a b')
const seeds = prompts.map((_, i) => i)

it('generates each image once by default, and describes nothing', async () => {
  expect(await generateImages(model, prompts, seeds)).toEqual(seeds.map(imageOf))
  expect(generated).toEqual([seeds])
  expect(completeTexts).not.toHaveBeenCalled()
})

it('generates another image where the model describes one otherwise, until they agree or attempts are used up', async () => {
  const images = await generateImages(model, prompts, seeds, { attempts: 3 })
  expect(generated[0]).toEqual(seeds)
  expect(generated.length).toBe(3)
  // The next attempt is of those that were wrong.
  const wrong = (list: readonly number[]) => list.filter((seed) => !readsRight(imageOf(seed))).length
  expect(generated[1]).toHaveLength(wrong(generated[0]!))
  expect(generated[2]).toHaveLength(wrong(generated[1]!))
  expect(new Set(generated.flat()).size).toBe(generated.flat().length)
  const neverRight = wrong(generated[2]!)
  expect(images.filter(readsRight)).toHaveLength(prompts.length - neverRight)
  // Those that agreed at once, and those that never did, are the first ones.
  const first = images.filter((image, i) => image.data[0] === imageOf(seeds[i]!).data[0])
  expect(first).toHaveLength(prompts.length - wrong(generated[0]!) + neverRight)
})

it("gives the same from the same seeds, whatever other images' attempts", async () => {
  const together = await generateImages(model, prompts, seeds, { attempts: 5 })
  for (const [i, seed] of seeds.entries())
    expect(await generateImages(model, ['a b'], [seed], { attempts: 5 })).toEqual([together[i]])
})

it('refuses prompts that are no text where there are several attempts', async () => {
  await expect(generateImages(model, [['a', imageOf(1)]], [0], { attempts: 2 })).rejects.toThrow(
    'prompts must be one text each',
  )
})

it('refuses options in the place of seeds by name', async () => {
  await expect(generateImages(model, ['a b'], { steps: 2 } as never)).rejects.toThrow(
    'generateImages: seeds must be an array of numbers, received an object { steps }',
  )
})
