#!/bin/sh
# npm's tokenizers 0.23.2 (Hugging Face's binding of its Rust library for Node): its index.d.ts names types that it does not
# declare (Merges, InputSequence, EncodeInput) and gives parameters of declarations default values, so that no program that
# imports it compiles with skipLibCheck: false.
# Exits with 0 while that is so. Needs Node 20 with npm, and the network.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes > /dev/null
npm install --ignore-scripts --no-audit --no-fund --silent tokenizers@0.23.2 typescript@5.9.3
echo "import { Tokenizer } from 'tokenizers'; export const from = (json: string): Tokenizer => Tokenizer.fromString(json)" > program.ts
compile() { npx --no-install tsc --noEmit --strict --target es2022 --module nodenext --skipLibCheck "$1" program.ts; }
compile true && echo 'skipLibCheck true: compiles'
if compile false > errors; then echo 'skipLibCheck false: compiles: this finding is out of date'; exit 1; fi
echo "skipLibCheck false: $(wc -l < errors) errors, for instance"
head -n 3 errors
grep -q "index.d.ts.*TS2304: Cannot find name 'Merges'" errors
grep -q "index.d.ts.*TS2371: A parameter initializer is only allowed" errors
