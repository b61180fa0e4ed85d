# The steps that `burgeon bench model --device cuda` measures dense, in compiled PyTorch on one GPU: bf16 autocast, flash
# attention, fused AdamW. Writes a file of the same form and keys, so that `burgeon bench model f,g,h --device cuda --compare`
# holds burgeon against it. Where memory is too short a step is cut into micro-batches.
# usage: pytorch_device.py [f,g,h | tiny] [--device cuda:0] [--rounds 11] [--json FILE]

import argparse
import contextlib
import datetime
import json
import os
import platform
import statistics
import sys
import time

import torch

from pytorch_gpt2 import GPT2
from pytorch_llama import Llama

# Name: model, batch, length, vocabulary; lib/bench/model-rows.ts has the same.
ROWS = {
    "f": (lambda: GPT2(12, 12, 768, 1024, 50304), 64, 1024, 50304),
    "g": (lambda: Llama(22, 32, 4, 2048, 5632, 2048, 32000), 16, 2048, 32000),
    "h": (lambda: GPT2(12, 12, 768, 1024, 50257), 64, 1024, 50257),
    "tiny": (lambda: Llama(2, 2, 1, 64, 128, 16, 64), 4, 16, 64),
}
WARM_UP = 3


def optimizer_of(model):
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=1e-5, betas=(0.9, 0.95), fused=True)


def attention_of(device):
    """Flash attention and nothing else, where there is a GPU."""
    if device.type != "cuda":
        return contextlib.nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    return sdpa_kernel(SDPBackend.FLASH_ATTENTION)


def measure(row, micro_batches, device, rounds):
    """Milliseconds of each step, the last loss, and bytes of memory."""
    make, batch, length, vocab = ROWS[row]
    torch.manual_seed(1)
    model = make().to(device)
    optimizer = optimizer_of(model)
    compiled = torch.compile(model)
    stream = torch.arange(batch * length + 1, device=device) * 7919 % vocab
    tokens = stream[:-1].view(batch, length).chunk(micro_batches)
    targets = stream[1:].view(batch, length).chunk(micro_batches)

    def step():
        loss = 0.0
        for part, wanted in zip(tokens, targets):
            with torch.autocast(device.type, torch.bfloat16), attention_of(device):
                part_loss = compiled(part, wanted) / micro_batches
            part_loss.backward()
            loss += part_loss.detach()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()  # which waits for the device

    samples = []
    for index in range(WARM_UP + rounds):
        start = time.perf_counter()
        loss = step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if index >= WARM_UP:
            samples.append(1000 * (time.perf_counter() - start))
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    return samples, loss, memory


def entry_of(row, device, rounds):
    _, batch, length, _ = ROWS[row]
    micro_batches = 1
    while True:
        try:
            samples, loss, memory = measure(row, micro_batches, device, rounds)
            break
        except torch.OutOfMemoryError:
            if micro_batches == batch:
                raise
            micro_batches *= 2
        # After the exception is gone, and with it what it kept alive.
        torch._dynamo.reset()
        torch.cuda.empty_cache()
    median = statistics.median(samples)
    return {
        "key": f"{row} dense groups=1 freeze bf16 {device}",
        "unit": "ms",
        "samples": samples,
        "name": "dense",
        "tokensPerSecond": 1000 * batch * length / median,
        "batchSize": batch,
        "sequenceLength": length,
        "microBatches": micro_batches,
        "loss": loss,
        "memoryBytes": memory,
    }


def machine_of(device):
    machine = {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version(), "torch": torch.__version__}
    if device.type == "cuda":
        found = torch.cuda.get_device_properties(device)
        cuda = {"device": str(device), "name": found.name, "memoryBytes": found.total_memory, "toolkit": torch.version.cuda}
        return {**machine, "isa": f"sm_{found.major}{found.minor}", "cuda": cuda}
    return machine


def main():
    parser = argparse.ArgumentParser(description="Training steps of compiled PyTorch, as burgeon bench model writes them.")
    parser.add_argument("rows", nargs="?", default="f,g,h", help="f (GPT-2 124M, 50304 words), g (TinyLlama 1.1B), h (as f, 50257 words), tiny")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json")
    options = parser.parse_args()
    rows = options.rows.split(",")
    unknown = [row for row in rows if row not in ROWS]
    if unknown or options.rounds < 1:
        parser.error(f"expected rows of {', '.join(ROWS)} and at least one round")
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no CUDA device; --device cpu runs on the processor")
    torch.set_float32_matmul_precision("high")
    entries = []
    for row in rows:
        entry = entry_of(row, device, options.rounds)
        entries.append(entry)
        median = statistics.median(entry["samples"])
        print(f"{row}: {median:.1f} ms, {entry['tokensPerSecond']:.0f} tokens/s, {entry['microBatches']} micro-batches, loss {entry['loss']:.4f}")
    if options.json:
        content = {
            "format": "burgeon-bench-1",
            "bench": "model",
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(),
            "command": " ".join(["pytorch_device.py", *sys.argv[1:]]),
            "machine": machine_of(device),
            "entries": entries,
        }
        with open(options.json, "w") as file:
            json.dump(content, file, indent=2)


main()
