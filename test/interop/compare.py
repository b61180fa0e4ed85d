"""Loads a directory with transformers and prints what burgeon is compared with, as JSON: the logits of a few tokens,
the element type, and what the tokenizer makes of a text."""

import json
import sys

import torch
import transformers

directory, request = sys.argv[1], json.loads(sys.argv[2])
transformers.logging.set_verbosity_error()
model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype="auto").eval()
answer = {"dtype": str(next(model.parameters()).dtype), "class": type(model).__name__}
with torch.no_grad():
    answer["logits"] = model.float()(torch.tensor([request["tokens"]])).logits.flatten().tolist()
if "text" in request:
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    answer["ids"] = tokenizer.encode(request["text"], add_special_tokens=False)
    answer["decoded"] = tokenizer.decode(answer["ids"])
if "save" in request:
    model.to(getattr(torch, request["dtype"])).save_pretrained(request["save"], max_shard_size=request["shard"])
print(json.dumps(answer))
