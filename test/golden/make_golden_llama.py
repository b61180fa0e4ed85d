"""Makes the Llama and Qwen2 golden files of this folder; README.md says what they hold. Run by hand:

    python3 test/golden/make_golden_llama.py && npx biome format --write test/golden

Relies on torch and transformers only. LlamaForCausalLM, and Qwen2ForCausalLM likewise, computes the cosines of rotary positions in float32 whatever
its precision, so the values come from the masked-dense model below, in float64 throughout but for the angles, after it
was checked against LlamaForCausalLM.
"""

import math

import torch
import transformers
from make_golden import make_batch, write_backward_pass


def rope_parameters(config):
    scaling = config.get("ropeScaling")
    if scaling is None:
        return {"rope_type": "default", "rope_theta": config["ropeTheta"]}
    if scaling["type"] == "linear":
        return {"rope_type": "linear", "rope_theta": config["ropeTheta"], "factor": scaling["factor"]}
    return {
        "rope_type": "llama3",
        "rope_theta": config["ropeTheta"],
        "factor": scaling["factor"],
        "low_freq_factor": scaling["lowFreqFactor"],
        "high_freq_factor": scaling["highFreqFactor"],
        "original_max_position_embeddings": scaling["originalContextLength"],
    }


def hf_config(config):
    is_llama = config["architecture"] == "llama"
    biases = {"attention_bias": config["attentionBias"], "mlp_bias": config["mlpBias"]} if is_llama else {}
    return (transformers.LlamaConfig if is_llama else transformers.Qwen2Config)(
        num_hidden_layers=config["nLayer"],
        num_attention_heads=config["nHead"],
        num_key_value_heads=config["nKvHead"],
        head_dim=config["headSize"],
        hidden_size=config["nEmbd"],
        intermediate_size=config["nInner"],
        max_position_embeddings=config["contextLength"],
        vocab_size=config["vocabSize"],
        rms_norm_eps=config["rmsNormEpsilon"],
        rope_parameters=rope_parameters(config),
        tie_word_embeddings=config["tiedHead"],
        **biases,
        attn_implementation="eager",
        bos_token_id=0,
        eos_token_id=0,
    )


def make_model(config, seed):
    """LlamaForCausalLM in float64 with weights large enough that every gradient is well exercised."""
    is_llama = config["architecture"] == "llama"
    model = (transformers.LlamaForCausalLM if is_llama else transformers.Qwen2ForCausalLM)(hf_config(config)).double().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in named_parameters(model):
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            is_norm = name.endswith("norm.weight")
            value = 1 + 0.2 * noise if is_norm else (0.3 if parameter.dim() >= 2 else 0.1) * noise
            parameter.copy_(value.float().double())
    return model


def named_parameters(model):
    """(name without the `model.` prefix, parameter), each once: a tied head is embed_tokens.weight."""
    return [(name.removeprefix("model."), p) for name, p in model.named_parameters()]


def frequencies(config):
    """Radians per position, float32; computed in float64 and rounded."""
    size = config["headSize"]
    base = (1 / config["ropeTheta"] ** (torch.arange(0, size, 2, dtype=torch.float64) / size)).float().double()
    scaling = config.get("ropeScaling")
    if scaling is None:
        return base.float()
    if scaling["type"] == "linear":
        return (base / scaling["factor"]).float()
    low, high, factor = scaling["lowFreqFactor"], scaling["highFreqFactor"], scaling["factor"]
    turns = scaling["originalContextLength"] * base / (2 * math.pi)
    share = ((turns - low) / (high - low)).clamp(0, 1)
    return ((1 - share) * base / factor + share * base).float()


def masked_forward(config, p, tokens, subnetwork):
    """The subnetwork as a masked and rescaled dense model: every unit is computed, inactive ones times zero."""
    L, NH, KV, HS, N = (config[key] for key in ("nLayer", "nHead", "nKvHead", "headSize", "nInner"))
    B, T = tokens.shape
    layers = subnetwork.get("layers") or list(range(L))
    layer_scale = subnetwork.get("layerScale", 1)
    causal = torch.ones(T, T, dtype=torch.bool).tril()
    angles = (torch.arange(T).float()[:, None] * frequencies(config)).double()
    cosines, sines = angles.cos().repeat(1, 2), angles.sin().repeat(1, 2)

    def mask(lists, position, size):
        active = lists[position] if lists is not None else None
        if active is None:
            return torch.ones(size, dtype=torch.float64)
        result = torch.zeros(size, dtype=torch.float64)
        result[active] = size / len(active)
        return result

    def norm(x, name):
        return x / torch.sqrt((x**2).mean(-1, keepdim=True) + config["rmsNormEpsilon"]) * p[name + ".weight"]

    def linear(x, name):
        return x @ p[name + ".weight"].T + p.get(name + ".bias", 0)

    def rotate(x):
        first, second = x.chunk(2, dim=-1)
        return x * cosines + torch.cat((-second, first), dim=-1) * sines

    x = p["embed_tokens.weight"][tokens]
    for layer in range(L):
        if layer not in layers:
            continue
        position = layers.index(layer)
        units = NH if subnetwork.get("queryHeads") else KV
        head_mask = mask(subnetwork.get("heads"), position, units).repeat_interleave(NH // units)
        neuron_mask = mask(subnetwork.get("neurons"), position, N)
        h = f"layers.{layer}."

        normalised = norm(x, h + "input_layernorm")
        q = rotate(linear(normalised, h + "self_attn.q_proj").view(B, T, NH, HS).transpose(1, 2))
        k = rotate(linear(normalised, h + "self_attn.k_proj").view(B, T, KV, HS).transpose(1, 2))
        v = linear(normalised, h + "self_attn.v_proj").view(B, T, KV, HS).transpose(1, 2)
        k, v = (part.repeat_interleave(NH // KV, dim=1) for part in (k, v))
        scores = (q @ k.transpose(-1, -2) / math.sqrt(HS)).masked_fill(~causal, -math.inf)
        heads = scores.softmax(-1) @ v * head_mask[:, None, None]
        merged = heads.transpose(1, 2).reshape(B, T, NH * HS)
        x = x + layer_scale * linear(merged, h + "self_attn.o_proj")

        normalised = norm(x, h + "post_attention_layernorm")
        gate = linear(normalised, h + "mlp.gate_proj")
        hidden = gate * torch.sigmoid(gate) * linear(normalised, h + "mlp.up_proj") * neuron_mask
        x = x + layer_scale * linear(hidden, h + "mlp.down_proj")
    return norm(x, "norm") @ p["embed_tokens.weight" if config["tiedHead"] else "lm_head.weight"].T


def make_config(L, NH, KV, HS, C, N, V, context, tied=False, bias=False, theta=10000.0, scaling=None, architecture="llama"):
    return {
        "architecture": architecture,
        "nLayer": L,
        "nHead": NH,
        "nEmbd": C,
        "nInner": N,
        "contextLength": context,
        "vocabSize": V,
        "nKvHead": KV,
        "headSize": HS,
        "rmsNormEpsilon": 1e-5,
        "ropeTheta": theta,
        **({} if scaling is None else {"ropeScaling": scaling}),
        "tiedHead": tied,
        **({"attentionBias": bias, "mlpBias": bias} if architecture == "llama" else {}),
    }


def write_gradient_case(name, config, seed, batch, length, ignored=(), subnetwork=None):
    model = make_model(config, seed)
    tokens, targets = make_batch(config, batch, length, list(ignored), seed + 1)
    parameters = dict(named_parameters(model))

    theirs = model.model.rotary_emb.inv_freq.double()
    assert ((theirs - frequencies(config).double()) / theirs).abs().max() < 1e-6, "other frequencies"
    dense = model(tokens).logits
    masked = masked_forward(config, parameters, tokens, {})
    assert (dense - masked).abs().max() < 1e-5, "the two independent models disagree"
    logits = masked_forward(config, parameters, tokens, subnetwork or {})
    write_backward_pass(name, config, parameters, tokens, targets, logits, subnetwork)


def main():
    gqa = make_config(L=2, NH=4, KV=2, HS=4, C=12, N=20, V=13, context=9)
    write_gradient_case("llama", gqa, seed=600, batch=2, length=9, ignored=[0, 5, 6, 11])

    linear = {"type": "linear", "factor": 2.5}
    tied = make_config(L=2, NH=3, KV=3, HS=6, C=12, N=7, V=11, context=7, tied=True, bias=True, scaling=linear)
    write_gradient_case("llama-tied", tied, seed=700, batch=3, length=7)

    llama3 = {
        "type": "llama3",
        "factor": 8.0,
        "lowFreqFactor": 1.0,
        "highFreqFactor": 4.0,
        "originalContextLength": 64,
    }
    scaled = make_config(L=1, NH=4, KV=1, HS=8, C=16, N=24, V=9, context=12, theta=500.0, scaling=llama3)
    write_gradient_case("llama-scaled", scaled, seed=800, batch=1, length=12, ignored=[3])

    groups = {
        "layers": [0, 2],
        "heads": [[1, 2], [0]],
        "neurons": [[0, 3, 4, 11, 17], None],
        "layerScale": 1.5,
    }
    sampled = make_config(L=3, NH=6, KV=3, HS=4, C=18, N=18, V=13, context=8)
    write_gradient_case("llama-groups", sampled, seed=900, batch=2, length=6, ignored=[3], subnetwork=groups)

    qwen2 = make_config(L=3, NH=6, KV=3, HS=4, C=18, N=18, V=13, context=8, tied=True, theta=1e6, architecture="qwen2")
    half = {"heads": [[1, 2], [0], None], "neurons": [[0, 3, 4, 11, 17], None, [2, 5]]}
    write_gradient_case("qwen2", qwen2, seed=1100, batch=2, length=6, ignored=[3], subnetwork=half)

    queries = {"heads": [[1, 2, 4], None, [0, 3, 5]], "queryHeads": True, "neurons": [[2, 9], [0, 1, 17], None]}
    write_gradient_case("llama-queries", sampled, seed=1000, batch=2, length=6, ignored=[3], subnetwork=queries)


if __name__ == "__main__":
    main()
