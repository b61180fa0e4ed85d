"""Makes the golden files of this folder; README.md says what they hold. Run by hand:

    python3 test/golden/make_golden.py && npx biome format --write test/golden

Relies on torch and transformers only. Dense cases come from GPT2LMHeadModel; subnetwork cases from the masked-dense
model below, which is first checked against GPT2LMHeadModel. All arithmetic is float64; parameters are float32 values,
so tests in either precision start from exactly the same numbers.
"""

import json
import math
import struct
from pathlib import Path

import torch
import transformers
from torch.nn import functional as F

FOLDER = Path(__file__).parent
IGNORE = -1


def hf_config(config):
    return transformers.GPT2Config(
        n_layer=config["nLayer"],
        n_head=config["nHead"],
        n_embd=config["nEmbd"],
        n_inner=config["nInner"],
        n_positions=config["contextLength"],
        vocab_size=config["vocabSize"],
        layer_norm_epsilon=config["layerNormEpsilon"],
        activation_function="gelu_new",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        attn_implementation="eager",
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
    )


def make_model(config, seed):
    """GPT2LMHeadModel in float64 with weights large enough that every gradient is well exercised."""
    model = transformers.GPT2LMHeadModel(hf_config(config)).double().eval()
    generator = torch.Generator().manual_seed(seed)

    def normal(shape, scale):
        return torch.randn(shape, generator=generator, dtype=torch.float64) * scale

    with torch.no_grad():
        for name, parameter in named_parameters(model):
            if parameter.dim() >= 2:
                value = normal(parameter.shape, 0.3)
            elif ".ln_" in "." + name and name.endswith(".weight"):
                value = 1 + normal(parameter.shape, 0.2)
            else:
                value = normal(parameter.shape, 0.1)
            parameter.copy_(value.float().double())
    return model


def named_parameters(model):
    """(name without the `transformer.` prefix, parameter), each once: the tied head is wte.weight."""
    return [(name.removeprefix("transformer."), p) for name, p in model.named_parameters()]


def make_batch(config, batch, length, ignored, seed):
    """tokens and targets, each (B, T); `ignored` are the flat indices of targets set to -1."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(config["vocabSize"], (batch, length), generator=generator)
    targets = torch.randint(config["vocabSize"], (batch, length), generator=generator)
    targets.view(-1)[ignored] = IGNORE
    return tokens, targets


def mean_loss(logits, targets):
    """Mean over the targets that are not -1, in nats. (The loss inside transformers rounds the logits to float32.)"""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE)


def gelu_tanh(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def masked_forward(config, p, tokens, subnetwork):
    """The subnetwork as a masked and rescaled dense model: every unit is computed, inactive ones times zero."""
    L, NH, C, N = (config[key] for key in ("nLayer", "nHead", "nEmbd", "nInner"))
    B, T = tokens.shape
    HS = C // NH
    layers = subnetwork.get("layers") or list(range(L))
    layer_scale = subnetwork.get("layerScale", 1)
    causal = torch.ones(T, T, dtype=torch.bool).tril()

    def mask(lists, position, size):
        active = lists[position] if lists is not None else None
        if active is None:
            return torch.ones(size, dtype=torch.float64)
        result = torch.zeros(size, dtype=torch.float64)
        result[active] = size / len(active)
        return result

    def norm(x, name):
        mean = x.mean(-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(-1, keepdim=True)
        return (x - mean) / torch.sqrt(variance + config["layerNormEpsilon"]) * p[name + ".weight"] + p[name + ".bias"]

    x = p["wte.weight"][tokens] + p["wpe.weight"][:T]
    for layer in range(L):
        if layer not in layers:
            continue
        position = layers.index(layer)
        head_mask = mask(subnetwork.get("heads"), position, NH)
        neuron_mask = mask(subnetwork.get("neurons"), position, N)
        h = f"h.{layer}."

        qkv = norm(x, h + "ln_1") @ p[h + "attn.c_attn.weight"] + p[h + "attn.c_attn.bias"]
        q, k, v = (part.view(B, T, NH, HS).transpose(1, 2) for part in qkv.split(C, dim=-1))
        scores = (q @ k.transpose(-1, -2) / math.sqrt(HS)).masked_fill(~causal, -math.inf)
        heads = scores.softmax(-1) @ v * head_mask[:, None, None]
        merged = heads.transpose(1, 2).reshape(B, T, C)
        x = x + layer_scale * (merged @ p[h + "attn.c_proj.weight"] + p[h + "attn.c_proj.bias"])

        hidden = gelu_tanh(norm(x, h + "ln_2") @ p[h + "mlp.c_fc.weight"] + p[h + "mlp.c_fc.bias"]) * neuron_mask
        x = x + layer_scale * (hidden @ p[h + "mlp.c_proj.weight"] + p[h + "mlp.c_proj.bias"])
    return norm(x, "ln_f") @ p["wte.weight"].T


def write_safetensors(path, tensors):
    """Little-endian F64 tensors sorted by name; the header is padded to 8 bytes."""
    header, offset, names = {}, 0, sorted(tensors)
    for name in names:
        end = offset + 8 * tensors[name].numel()
        header[name] = {"dtype": "F64", "shape": list(tensors[name].shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in names:
            values = tensors[name].detach().reshape(-1).tolist()
            file.write(struct.pack(f"<{len(values)}d", *values))


def write_case(name, case, tensors):
    (FOLDER / f"{name}.json").write_text(json.dumps(case, indent=2) + "\n")
    write_safetensors(FOLDER / f"{name}.safetensors", tensors)


def make_config(L, NH, C, N, V, context, epsilon=1e-5):
    return {
        "architecture": "gpt2",
        "nLayer": L,
        "nHead": NH,
        "nEmbd": C,
        "nInner": N,
        "contextLength": context,
        "vocabSize": V,
        "layerNormEpsilon": epsilon,
    }


def write_backward_pass(name, config, parameters, tokens, targets, logits, subnetwork):
    """The case of these logits, whose loss is propagated back to the parameters."""
    loss = mean_loss(logits, targets)
    loss.backward()

    case = {
        "config": config,
        "batch": tokens.shape[0],
        "length": tokens.shape[1],
        "tokens": tokens.flatten().tolist(),
        "targets": targets.flatten().tolist(),
        **({} if subnetwork is None else {"subnetwork": subnetwork}),
        "loss": loss.item(),
    }
    tensors = {"logits": logits}
    for parameter_name, parameter in parameters.items():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        tensors["parameter/" + parameter_name] = parameter
        tensors["gradient/" + parameter_name] = gradient
    write_case(name, case, tensors)


def write_gradient_case(name, config, seed, batch, length, ignored=(), subnetwork=None):
    """One forward and backward pass. Returns the model and batch, for the optimizer case."""
    model = make_model(config, seed)
    tokens, targets = make_batch(config, batch, length, list(ignored), seed + 1)
    parameters = dict(named_parameters(model))

    dense = model(tokens).logits
    masked = masked_forward(config, parameters, tokens, {})
    assert (dense - masked).abs().max() < 1e-12, "the two independent models disagree"
    logits = dense if subnetwork is None else masked_forward(config, parameters, tokens, subnetwork)
    write_backward_pass(name, config, parameters, tokens, targets, logits, subnetwork)
    return model, tokens, targets


def write_adamw_case(name, start, model, tokens, targets):
    """Three clipped AdamW steps on the same batch, from the parameters of the case `start`."""
    settings = {"learningRate": 1e-2, "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "weightDecay": 0.1, "clipNorm": 1.0}
    parameters = dict(named_parameters(model))
    matrices = [p for p in parameters.values() if p.dim() >= 2]
    vectors = [p for p in parameters.values() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": settings["weightDecay"]}, {"params": vectors, "weight_decay": 0.0}],
        lr=settings["learningRate"],
        betas=(settings["beta1"], settings["beta2"]),
        eps=settings["epsilon"],
        foreach=False,
    )
    steps = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = mean_loss(model(tokens).logits, targets)
        loss.backward()
        norm = math.sqrt(sum((p.grad**2).sum().item() for p in parameters.values()))
        # The exact ratio: torch's clip_grad_norm_ divides by norm + 1e-6.
        scale = min(1.0, settings["clipNorm"] / norm)
        for parameter in parameters.values():
            parameter.grad.mul_(scale)
        optimizer.step()
        steps.append({"loss": loss.item(), "gradientNorm": norm})
    final_loss = mean_loss(model(tokens).logits, targets).item()
    case = {"start": start, "settings": settings, "steps": steps, "finalLoss": final_loss}
    write_case(name, case, {"parameter/" + name: p for name, p in parameters.items()})


def write_choices_case(name, start, config, model, seed):
    """Log-likelihoods of endings after their contexts, each computed alone; the context loses what does not fit."""
    generator = torch.Generator().manual_seed(seed)

    def draw(length):
        return torch.randint(config["vocabSize"], (length,), generator=generator).tolist()

    questions = []
    # (length of the context, lengths of the endings). The model takes 9 inputs: contexts are cut from the fourth question on,
    # and an ending of 9 tokens leaves room for one token before it.
    for context_length, ending_lengths in [(1, [1, 2]), (4, [3, 1, 5]), (6, [4, 4, 2, 3]), (9, [1, 2, 6]), (30, [1, 9])]:
        context, endings = draw(context_length), [draw(length) for length in ending_lengths]
        log_likelihoods = []
        for ending in endings:
            inputs = torch.tensor([(context + ending)[:-1][-config["contextLength"] :]])
            with torch.no_grad():
                log_probabilities = model(inputs).logits[0].log_softmax(-1)
            last = log_probabilities[-len(ending) :]
            log_likelihoods.append(sum(last[i, token].item() for i, token in enumerate(ending)))
        questions.append({"context": context, "endings": endings, "logLikelihoods": log_likelihoods})
    case = {"start": start, "questions": questions}
    (FOLDER / f"{name}.json").write_text(json.dumps(case, indent=2) + "\n")


def main():
    dense_config = make_config(L=2, NH=2, C=12, N=48, V=13, context=9)
    dense = write_gradient_case("dense", dense_config, seed=100, batch=2, length=7, ignored=[0, 5, 6, 11])
    write_choices_case("choices", "dense", dense_config, dense[0], seed=600)
    write_adamw_case("adamw", "dense", *dense)

    odd_config = make_config(L=1, NH=3, C=15, N=7, V=11, context=5, epsilon=1e-3)
    write_gradient_case("odd", odd_config, seed=200, batch=3, length=5)

    single_config = make_config(L=2, NH=2, C=8, N=12, V=9, context=4)
    write_gradient_case("single-token", single_config, seed=300, batch=2, length=1)

    subnetwork = {
        "layers": [0, 2, 3],
        "heads": [[1, 3], None, [2]],
        "neurons": [[0, 3, 4, 11, 22], [1, 2, 5, 6, 7, 10, 12, 15, 17, 20, 21, 23], None],
    }
    subnetwork_config = make_config(L=4, NH=4, C=16, N=24, V=13, context=8)
    write_gradient_case(
        "subnetwork", subnetwork_config, seed=400, batch=2, length=6, ignored=[3], subnetwork=subnetwork
    )

    scaled = {"layers": [0, 2], "heads": [[1], [0]], "neurons": [[2, 3, 9], [0, 1, 4, 5, 8]], "layerScale": 1.5}
    scaled_config = make_config(L=3, NH=2, C=8, N=10, V=11, context=6)
    write_gradient_case("layer-scale", scaled_config, seed=500, batch=2, length=6, ignored=[11], subnetwork=scaled)


if __name__ == "__main__":
    main()
