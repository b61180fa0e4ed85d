"""Makes the compressed text files that the tests of `burgeon prepare` read: by pyarrow and the zstd command, which share
no code with what burgeon reads them with. Tests need neither.

    pip install pyarrow
    python3 make_text_files.py
"""

import json
import pathlib
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq

here = pathlib.Path(__file__).parent

# Document i; test/prepare/golden-texts.ts says the same.
texts = [f"Document {i}: " + " ".join(f"wörd {i * j % 97} 🌱" for j in range(i * 7 % 150)) + "\n" for i in range(300)]

table = pa.table({"id": list(range(300)), "meta": [{"text": 1}] * 300, "text": texts})
for codec in ["zstd", "snappy"]:
    pq.write_table(table, here / f"texts-{codec}.parquet", compression=codec, row_group_size=120)

lines = "".join(json.dumps({"id": i, "text": text}) + "\n" for i, text in enumerate(texts)).encode()
# Two frames, the first with a checksum and the second without, as `cat a.zst b.zst` makes them.
frames = [
    subprocess.run(["zstd", "-19", *options], input=part, capture_output=True, check=True).stdout
    for options, part in [(["--check"], lines[: len(lines) // 2]), (["--no-check"], lines[len(lines) // 2 :])]
]
(here / "texts.jsonl.zst").write_bytes(b"".join(frames))
