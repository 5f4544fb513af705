import { expect, it } from 'vitest'
import { hasNestedRepeats } from '../../lib/tokenizer/nested_repeats.js'

it.each([
  '(a+b)+',
  String.raw`(x*y)*`,
  String.raw`(?:-a+)*`,
  '(?:a+b){2,}',
  '((a+)b)*',
  String.raw`(?<n>[a-z]+\s)+`,
])('finds one in %s', (pattern) => expect(hasNestedRepeats(pattern)).toBe(true))

/** Those of Llama 3, GPT-4o, DeepSeek and BLOOM among them. */
const plain = [
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\s+`,
  String.raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_${'`'}{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*`,
  String.raw` ?[^(\s|[.,!?…。，、।۔،])]+`,
  String.raw`\w+|[^\w\s]+`,
  String.raw`(?=(\d{3})+(?!\d))`,
  String.raw`[(a+)]+(\+)+[\p{L}&&[^\p{Han}]]*`,
  '(?:ab)+(a+)?(a{1,3})+(a++)+(?:b+){1,3}',
]
it.each(plain)('finds none in %s', (pattern) => expect(hasNestedRepeats(pattern)).toBe(false))
