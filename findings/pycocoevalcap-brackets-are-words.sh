#!/bin/sh
# pycocoevalcap 1.2 (PyPI; java 8 or later): brackets of captions count as words. Its tokenizer leaves out what its list PUNCTUATIONS
# has, "-LRB-" and "-RRB-" for brackets among it, but it has Stanford's tokenizer write everything in lower case before: "-lrb-" and
# "-rrb-" are not in the list and stay. A caption with a bracket so has two words more than its reference without: BLEU-4 of
# "a cat (asleep) on a red sofa" against "a cat asleep on a red sofa" is 0.37 instead of 1. Commas and full stops are left out.
# Takes a minute and 200 MB in a temporary folder. Exits with another code than 0 where this is no longer so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pycocoevalcap==1.2
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.tokenizer.ptbtokenizer import PUNCTUATIONS, PTBTokenizer

texts = ["a cat (asleep) on a red sofa", "a cat, asleep, on a red sofa.", "a cat asleep on a red sofa"]
words = PTBTokenizer().tokenize({i: [{"caption": text}] for i, text in enumerate(texts)})
print(f"pycocoevalcap {version('pycocoevalcap')}:", words)
assert "-LRB-" in PUNCTUATIONS and "-lrb-" not in PUNCTUATIONS
assert words[0] == ["a cat -lrb- asleep -rrb- on a red sofa"], words
assert words[1] == words[2] == ["a cat asleep on a red sofa"], words
scores = [Bleu(4).compute_score({0: words[2]}, {0: words[i]}, verbose=0)[0][3] for i in (0, 1)]
print("BLEU-4", scores)
assert abs(scores[0] - 0.37) < 0.01 and abs(scores[1] - 1) < 0.01, scores
PYTHON
