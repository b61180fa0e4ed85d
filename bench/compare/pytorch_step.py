# PyTorch's side of steps.ts: forward, backward and AdamW of GPT-2, eager or compiled, fp32 or bf16 autocast.
# At rates below 1 every step gathers a freshly sampled subnetwork; its layers alone are compiled then, because which
# layers take part changes from step to step.
# usage: pytorch_step.py eager|compile

import sys
import time

from respond import peak_rss_mb, reset_peak, respond

mode = sys.argv[1]
run_step = None


def prepare(message):
    global run_step
    import torch
    from pytorch_gpt2 import GPT2

    row = message["row"]
    layers, heads, width, vocab = row["layers"], row["heads"], row["width"], row["vocabSize"]
    rates = row["rates"]
    torch.manual_seed(1)
    torch.set_num_threads(row["threads"])
    model = GPT2(layers, heads, width, row["sequenceLength"], vocab)
    whole = all(rate == 1 for rate in rates.values())
    if mode == "compile":
        if whole:
            model.compile()
        else:
            for part in [*model.blocks, model.head]:
                part.compile()

    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-5, betas=(0.9, 0.95), fused=True)

    batch, length = row["batchSize"], row["sequenceLength"]
    stream = torch.arange(batch * length + 1) * 7919 % vocab
    tokens, targets = stream[:-1].view(batch, length), stream[1:].view(batch, length)
    bf16 = row["precision"] == "bf16"

    def choose(count, rate):
        """Sorted indices of max(1, round(rate * count)) of them; None for all."""
        chosen = max(1, int(rate * count + 0.5))
        return None if chosen == count else torch.randperm(count)[:chosen].sort().values

    def sample():
        chosen = choose(layers, rates["layers"])
        active = range(layers) if chosen is None else chosen.tolist()
        return [(layer, choose(heads, rates["heads"]), choose(4 * width, rates["neurons"])) for layer in active]

    def step():
        active = None if whole else sample()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = model(tokens, targets, active)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        # Inactive layers keep no gradient, so the next step leaves them alone.
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    run_step = step
    return {"version": f"torch {torch.__version__}", "note": f"{torch.get_num_threads()} threads"}


def go(message):
    reset_peak()
    count = message.get("steps", 1)
    start = time.perf_counter()
    for _ in range(count):
        loss = run_step()
    ms = 1000 * (time.perf_counter() - start) / count
    return {"ms": ms, "loss": loss, "peakRssMB": peak_rss_mb()}


respond(prepare, go)
