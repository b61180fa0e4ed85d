"""Answers for tokenizers.test.ts, with transformers. `make BASE OUT` makes tokenizer directories of GPT-2's, with tokens and a chat
template added; `ask TEXT DIRECTORY...` prints what the tokenizer of each makes of a text, as JSON."""

import json
import shutil
import sys
from pathlib import Path

import transformers

transformers.logging.set_verbosity_error()


def make(base, out):
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens(["<name>", "covid19"])
    tokenizer.add_special_tokens({"eos_token": "<|im_end|>"})
    tokenizer.chat_template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    tokenizer.save_pretrained(out / "added")

    legacy = out / "legacy"
    legacy.mkdir()
    for name in ["vocab.json", "merges.txt"]:
        shutil.copy(base / name, legacy)
    (legacy / "added_tokens.json").write_text(json.dumps({"<name>": 50257, "covid19": 50258, "<|im_end|>": 50259}))
    (legacy / "special_tokens_map.json").write_text(json.dumps({"eos_token": "<|im_end|>"}))
    (legacy / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}))


def ask(text, directories):
    answers = []
    for directory in directories:
        tokenizer = transformers.AutoTokenizer.from_pretrained(directory, split_special_tokens=True)
        ids = tokenizer.encode(text, add_special_tokens=False)
        answers.append({
            "ids": ids,
            "text": tokenizer.decode(ids),
            "endOfText": tokenizer.eos_token_id,
            "template": tokenizer.chat_template,
        })
    print(json.dumps(answers))


if sys.argv[1] == "make":
    make(Path(sys.argv[2]), Path(sys.argv[3]))
else:
    ask(sys.argv[2], sys.argv[3:])
