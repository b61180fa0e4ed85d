"""Makes growth.json: what stacking layers and splitting heads and neurons do to every tensor and its moments. Run by hand:

    python3 test/golden/make_golden_growth.py && npx biome format --write test/golden

Relies on numpy only, works on Hugging Face's layouts, and shares nothing with burgeon: units are reached by reshaping.
Weights are those of other cases of this folder, moments numbers made of their places. Every result is rounded to float32
once, so it is one bit pattern, of which the hash is kept.
"""

import hashlib
import json
import re
import struct
from pathlib import Path

import numpy as np

folder = Path(__file__).parent


def read_tensors(name):
    data = (folder / f"{name}.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for key, entry in header.items():
        if key.startswith("parameter/"):
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            values = np.frombuffer(data[begin:end], dtype="<f8").reshape(entry["shape"])
            tensors[key.removeprefix("parameter/")] = values.copy()
    return tensors


def made_moment(names, name, shape, which):
    """Multiples of 2^-16, all different within a tensor; v is not negative."""
    size = int(np.prod(shape))
    places = np.arange(size, dtype=np.int64)
    numbers = (places * 40503 + 977 * sorted(names).index(name) + 13 * (which == "v")) % 65536
    values = numbers / 65536.0
    return (values if which == "v" else values - 0.5).reshape(shape)


def stack(state, prefix, sources, moments):
    """Layer i becomes layer sources[i]; moments of what was not there before may be zero."""
    grown = {key: value.copy() for key, value in state.items()}
    for (kind, name), value in state.items():
        match = re.match(rf"{prefix}\.(\d+)\.(.*)", name)
        if not match or int(match[1]) >= len(sources):
            continue
        layer = int(match[1])
        source = state[(kind, f"{prefix}.{sources[layer]}.{match[2]}")]
        is_new = sources.index(sources[layer]) != layer
        grown[(kind, name)] = np.zeros_like(value) if is_new and kind != "weight" and moments == "zero" else source.copy()
    return grown


def split_units(array, axis, size, first, last, is_output, kind):
    """Units of `size` neighbouring entries along an axis: unit j >= first is a copy of j mod first."""
    units = np.moveaxis(array, axis, 0).copy()
    shape = units.shape
    units = units.reshape(shape[0] // size, size, *shape[1:])
    before = units.copy()
    for j in range(last):
        source = j % first
        members = len([k for k in range(last) if k % first == source])
        share = 1.0 / members
        factor = {"weight": share, "m": 1.0, "v": 1.0}[kind] if is_output else {"weight": 1.0, "m": share, "v": share * share}[kind]
        units[j] = before[source] * factor
    return np.moveaxis(units.reshape(shape), 0, axis)


def split(state, rules):
    """rules: pattern of a name -> (axis, sub-arrays along that axis, entries of a unit in each, first, last, is output)."""
    grown = {}
    for (kind, name), value in state.items():
        result = value.copy()
        for pattern, (axis, pieces, first, last, is_output) in rules.items():
            if not re.search(pattern, name):
                continue
            begin = 0
            parts = []
            for length, size in pieces:
                part = np.take(result, range(begin, begin + length), axis=axis)
                parts.append(split_units(part, axis, size, first, last, is_output, kind))
                begin += length
            result = np.concatenate(parts, axis=axis)
        grown[(kind, name)] = result
    return grown


def state_of(case):
    weights = read_tensors(case)
    state = {("weight", name): value for name, value in weights.items()}
    for name, value in weights.items():
        for which in ["m", "v"]:
            state[(which, name)] = made_moment(weights, name, value.shape, which)
    return state


def digest(array):
    return hashlib.sha256(array.astype("<f4").tobytes()).hexdigest()[:16]


def written(name, start, change, state):
    tensors = {f"{kind} {tensor}": digest(value) for (kind, tensor), value in sorted(state.items())}
    return {"name": name, "start": start, **change, "tensors": tensors}


gpt2 = state_of("subnetwork")  # L 4, NH 4, C 16, F 24
llama = state_of("llama-groups")  # L 3, NH 6, KV 3, HS 4, C 18, F 18
C, F = 16, 24
gpt2_rules = {
    r"c_attn\.(weight|bias)": (-1, [(C, 4), (C, 4), (C, 4)], 2, 4, False),
    r"attn\.c_proj\.weight": (0, [(C, 4)], 2, 4, True),
    r"c_fc\.(weight|bias)": (-1, [(F, 1)], 9, 24, False),
    r"mlp\.c_proj\.weight": (0, [(F, 1)], 9, 24, True),
}
llama_rules = {
    r"q_proj": (0, [(24, 8)], 2, 3, False),
    r"[kv]_proj": (0, [(12, 4)], 2, 3, False),
    r"o_proj": (1, [(24, 8)], 2, 3, True),
    r"(gate|up)_proj": (0, [(18, 1)], 5, 18, False),
    r"down_proj": (1, [(18, 1)], 5, 18, True),
}
cases = [
    written(
        "stack",
        "subnetwork",
        {"from": {"layers": 2}, "to": {"layers": 4}, "transition": {"layers": "stack", "moments": "copy"}},
        stack(gpt2, "h", [0, 1, 0, 1], "copy"),
    ),
    written(
        "stack, fresh moments",
        "llama-groups",
        {"from": {"layers": 2}, "to": {"layers": 3}, "transition": {"layers": "stack", "moments": "zero"}},
        stack(llama, "layers", [0, 1, 0], "zero"),
    ),
    written(
        "split",
        "subnetwork",
        {
            "from": {"layers": 4, "heads": 2, "neurons": 9},
            "to": {"layers": 4, "heads": 4, "neurons": 24},
            "transition": {"width": "split", "moments": "copy"},
        },
        split(gpt2, gpt2_rules),
    ),
    written(
        "split of grouped queries",
        "llama-groups",
        {
            "from": {"layers": 3, "heads": 2, "neurons": 5},
            "to": {"layers": 3, "heads": 3, "neurons": 18},
            "transition": {"width": "split", "moments": "copy"},
        },
        split(llama, llama_rules),
    ),
]
(folder / "growth.json").write_text(json.dumps({"cases": cases}, indent=2) + "\n")
