#!/bin/sh
# tokenizers 0.23.3 (PyPI): two added tokens that are the same once they are normalized ("X" and "x" under Lowercase) are
# accepted, and which of their ids a text has is drawn by lot when the file is loaded: it differs between processes.
# Seen: ids 1 and 2 for the same file and text within 40 processes.
# Exits with another code than 0 where this is no longer so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tokenizers==0.23.3
cat >"$folder/run.py" <<'PYTHON'
import json

from tokenizers import Tokenizer

flags = {"special": False, "single_word": False, "lstrip": False, "rstrip": False, "normalized": True}
tokenizer = {
    "version": "1.0",
    "added_tokens": [{"id": id, "content": content, **flags} for id, content in [(1, "X"), (2, "x")]],
    "normalizer": {"type": "Lowercase"},
    "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
}
print(Tokenizer.from_str(json.dumps(tokenizer)).encode("x").ids)
PYTHON
for _ in $(seq 40); do "$folder/venv/bin/python" "$folder/run.py"; done | sort | uniq -c | tee "$folder/seen"
[ "$(wc -l <"$folder/seen")" -eq 2 ]
