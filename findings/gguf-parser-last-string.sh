#!/bin/sh
# @huggingface/gguf 0.4.6 (npm): of a list of strings in the metadata, whose last string lies across the end of the bytes
# read so far (a multiple of 2,000,000), that string is returned cut short, without an error; what follows is read right.
# A vocabulary or its merges can end so: tokens or merges of 32 letters up to there, and one more across. gguf-py 0.17.1
# (PyPI) reads the whole string from the same file.
# Exits with another code than 0 where this is no longer so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet gguf==0.17.1
cd "$folder"
npm init --yes >/dev/null
npm install --silent --ignore-scripts @huggingface/gguf@0.4.6
cat >make.py <<'PYTHON'
from gguf import GGUFReader, GGUFWriter

last = "the last token of this list"
writer = GGUFWriter("tokens.gguf", "llama")
# A string of n bytes takes 8 + n. The text before fills what is left up to the place wanted.
tokens = ["t" * 32] * 40_000
header = 8 + 8 + 8 + (8 + 20 + 4) + (8 + 5) + (8 + 6 + 4 + 8) + (8 + 21 + 4) + 4 + 8
writer.add_string("filler", "f" * (2_000_000 - 18 - 40 * len(tokens) - header))
writer.add_array("tokenizer.ggml.tokens", [*tokens, last])
writer.add_string("general.name", "a name")
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.close()
field = GGUFReader("tokens.gguf").fields["tokenizer.ggml.tokens"]
found = bytes(field.parts[field.data[-1]]).decode()
print("gguf-py:", found)
assert found == last
PYTHON
"$folder/venv/bin/python" make.py
cat >read.mjs <<'JAVASCRIPT'
import { gguf } from '@huggingface/gguf'
const { metadata } = await gguf('./tokens.gguf', { allowLocalFile: true })
const [last, name] = [metadata['tokenizer.ggml.tokens'].at(-1), metadata['general.name']]
console.log('@huggingface/gguf:', last)
const whole = 'the last token of this list'
if (last === whole || last === '' || !whole.startsWith(last) || name !== 'a name') process.exit(1)
JAVASCRIPT
node read.mjs
