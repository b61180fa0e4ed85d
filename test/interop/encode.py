"""Answers for tokenizers.test.ts, with the tokenizers library: reads a list of cases from standard input and prints, for each,
what its texts are encoded to and its tokens decoded to, as JSON. Null where the library fails."""

import json
import sys

from tokenizers import Tokenizer


def clean_up(text):
    """As PreTrainedTokenizerBase.clean_up_tokenization of transformers 5.18."""
    for old, new in [(" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"),
                     (" 'm", "'m"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re")]:
        text = text.replace(old, new)
    return text


def attempt(work):
    try:
        return work()
    except BaseException:
        return None


answers = []
for case in json.load(sys.stdin):
    encoder = Tokenizer.from_str(json.dumps(case["encode"]))
    # Files keep what was last used; transformers, too, turns it off unless asked.
    encoder.no_truncation()
    encoder.no_padding()
    decoder = Tokenizer.from_str(json.dumps(case["decode"]))

    def decode(tokens):
        text = decoder.decode(tokens, skip_special_tokens=False)
        return clean_up(text) if case["cleanUp"] else text

    answers.append({
        "ids": [attempt(lambda: encoder.encode(text, add_special_tokens=False).ids) for text in case["texts"]],
        "texts": [attempt(lambda: decode(tokens)) for tokens in case["tokens"]],
    })
json.dump(answers, sys.stdout)
