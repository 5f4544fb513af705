#!/bin/sh
# @huggingface/tokenizers 0.2.0 (npm, JavaScript) gives other ids for a tokenizer.json than the Rust library (npm tokenizers
# 0.23.2, the code of PyPI's) and says nothing: it reads Whitespace as ASCII's \w, lower-cases a final capital sigma to
# its final form, keeps separators that Split removes, ignores MergedWithNext, MergedWithPrevious and invert, Digits outside
# ASCII, BPE's continuing_subword_prefix and an added token's single_word.
# Takes 65 MB in a temporary folder. Exits with another code than 0 where this is no longer so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @huggingface/tokenizers@0.2.0 tokenizers@0.23.2
cat >run.mjs <<'JS'
import { Tokenizer as JavaScript } from '@huggingface/tokenizers'
import { Tokenizer as Rust } from 'tokenizers'

const vocabOf = (tokens) => Object.fromEntries(['[UNK]', ...tokens].map((token, id) => [token, id]))
const rest = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] }
const words = (tokens, parts) => ({ version: '1.0', ...rest, ...parts, model: { type: 'WordLevel', vocab: vocabOf(tokens), unk_token: '[UNK]' } })
const bpe = (tokens, model, parts) => ({ version: '1.0', ...rest, ...parts, model: { type: 'BPE', vocab: vocabOf(tokens), merges: [], unk_token: '[UNK]', ...model } })
const split = (behavior, invert) => ({ pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior, invert } })
const token = { id: 3, content: 'ab', single_word: true, lstrip: false, rstrip: false, normalized: false, special: false }

/** What, a tokenizer.json, a text, and the ids seen: of JavaScript, of Rust. */
const cases = [
  ['Whitespace', words(['caf', 'café', 'é'], { pre_tokenizer: { type: 'Whitespace' } }), 'café', [1, 3], [2]],
  ['Lowercase', words(['οδοσ', 'οδος'], { normalizer: { type: 'Lowercase' } }), 'ΟΔΟΣ', [2], [1]],
  ['Split MergedWithNext', words(['a', ' b', 'b', ' '], split('MergedWithNext', false)), 'a b', [1, 4, 3], [1, 2]],
  ['Split MergedWithPrevious', words(['a', 'a ', 'b', ' '], split('MergedWithPrevious', false)), 'a b', [1, 4, 3], [2, 3]],
  ['Split Removed', words(['a', 'b', ' '], split('Removed', false)), 'a b', [1, 3, 2], [1, 2]],
  ['Split inverted', words(['a', 'b', ' '], split('Isolated', true)), 'a b', [3], [1, 3, 2]],
  ['Digits', words(['x', '١', 'x١'], { pre_tokenizer: { type: 'Digits', individual_digits: true } }), 'x١', [3], [1, 2]],
  ['BPE prefix', bpe(['a', '##b', 'b', 'a##b', 'ab'], { continuing_subword_prefix: '##', merges: [['a', '##b']] }), 'ab', [1, 3], [5]],
  ['single_word', bpe(['a', 'b'], {}, { added_tokens: [token] }), 'bab', [2, 3], [2, 1, 2]],
]
let changed = false
for (const [what, json, text, ...expected] of cases) {
  const { ids } = new JavaScript(json, { unk_token: '[UNK]' }).encode(text, { add_special_tokens: false })
  const rust = (await Rust.fromString(JSON.stringify(json)).encode(text, null, { addSpecialTokens: false })).getIds()
  console.log(`${what}: ${JSON.stringify(text)} is ${ids} in JavaScript, ${rust} in Rust`)
  changed ||= JSON.stringify([ids, rust]) !== JSON.stringify(expected)
}
process.exitCode = changed ? 1 : 0
JS
node run.mjs
