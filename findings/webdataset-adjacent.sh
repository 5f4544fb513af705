#!/bin/sh
# webdataset 1.0.2 (Python): the members of a sample that are not adjacent in a tar file, as "tar -cf a.tar *.png *.txt" packs
# them, come as several samples, each with a part, and without a warning. A valid tar file with two pictures and their two
# captions gives four samples here, none of them whole; sorted by name, it gives two whole ones.
# Exits with 0 while that is so. Needs Python 3 with venv, and the network for pip.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check webdataset==1.0.2 numpy==2.2.6 pyyaml==6.0.2 braceexpand==0.1.7
cd "$folder"
for name in 0001 0002; do
  printf 'picture %s' "$name" > "$name.png"
  printf 'caption %s' "$name" > "$name.txt"
done
tar -cf unsorted.tar 0001.png 0002.png 0001.txt 0002.txt
tar -cf sorted.tar 0001.png 0001.txt 0002.png 0002.txt
cat > read.py <<'PYTHON'
import warnings
import webdataset

def parts(path):
    samples = webdataset.WebDataset(path, shardshuffle=False)
    return [(sample["__key__"], sorted(key for key in sample if not key.startswith("__"))) for sample in samples]

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    unsorted, in_order = parts("unsorted.tar"), parts("sorted.tar")
print("webdataset", webdataset.__version__)
print("not adjacent:", unsorted)
print("adjacent:    ", in_order)
print("warnings:", [str(warning.message) for warning in caught])
assert unsorted == [("0001", ["png"]), ("0002", ["png"]), ("0001", ["txt"]), ("0002", ["txt"])]
assert in_order == [("0001", ["png", "txt"]), ("0002", ["png", "txt"])]
assert not any("adjacent" in str(warning.message) or "sample" in str(warning.message) for warning in caught)
PYTHON
"$folder/venv/bin/python" read.py
