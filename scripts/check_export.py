# Called by check-export.mjs: compares the logits of transformers and of examples/load_in_pytorch.py with ours.
import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, __version__

sys.path.append(str(pathlib.Path(__file__).parent.parent / "examples"))
from load_in_pytorch import load, text_logits

folder = sys.argv[1]
expected = json.load(open(f"{folder}/expected.json"))
ids = torch.tensor(expected["ids"])
wanted = torch.tensor(expected["logits"]).view(len(ids), -1)
for precision in ("f32", "bf16"):
    model, info = AutoModelForCausalLM.from_pretrained(f"{folder}/{precision}", dtype=torch.float32, output_loading_info=True)
    assert not any(info.values()), info
    with torch.no_grad():
        logits = model(ids[None]).logits[0]
    print(f"transformers {__version__}, {precision}: {(logits - wanted).abs().max():.2g}")
tokenizer = AutoTokenizer.from_pretrained(f"{folder}/f32")
assert tokenizer(expected["text"], add_special_tokens=False)["input_ids"] == expected["textIds"]
print("tokenizer:", type(tokenizer).__name__, tokenizer.bos_token, tokenizer.eos_token, len(tokenizer))
print(f"load_in_pytorch.py: {(text_logits(*load(f'{folder}/model'), ids) - wanted).abs().max():.2g}")
print(f"logits up to {wanted.abs().max():.2g}")
