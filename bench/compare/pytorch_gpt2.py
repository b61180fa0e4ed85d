# GPT-2 in PyTorch, whole or as a subnetwork (Evolving Subnetwork Training written by hand): the rows of the active heads
# and neurons are gathered, both branches are multiplied by the true ratio N/|I|, inactive layers are skipped.
# Matrices lie so that a head and a neuron are rows everywhere (as in burgeon): gathering columns would be slower.

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def normal(*shape, std=0.02):
    return nn.Parameter(torch.randn(*shape) * std)


def zeros(*shape):
    return nn.Parameter(torch.zeros(*shape))


class Block(nn.Module):
    def __init__(self, width, heads, layers):
        super().__init__()
        inner, residual_std = 4 * width, 0.02 / math.sqrt(2 * layers)
        self.heads, self.inner, self.head_size = heads, inner, width // heads
        self.ln_1 = nn.LayerNorm(width)
        self.ln_2 = nn.LayerNorm(width)
        self.qkv_w, self.qkv_b = normal(3 * width, width), zeros(3 * width)
        self.attproj_w, self.attproj_b = normal(width, width, std=residual_std), zeros(width)
        self.fc_w, self.fc_b = normal(inner, width), zeros(inner)
        self.fcproj_w, self.fcproj_b = normal(inner, width, std=residual_std), zeros(width)

    def forward(self, x, heads=None, neurons=None):
        """x: (B, T, C); heads, neurons: indices of the active ones, None for all."""
        x = x + self.attention(self.ln_1(x), heads)
        return x + self.mlp(self.ln_2(x), neurons)

    def attention(self, x, heads):
        batch, length, width = x.shape
        size, count = self.head_size, self.heads
        qkv_w, qkv_b, proj_w = self.qkv_w, self.qkv_b, self.attproj_w
        if heads is not None:
            count = heads.shape[0]
            qkv_w = qkv_w.view(3, self.heads, size * width).index_select(1, heads).view(3 * count * size, width)
            qkv_b = qkv_b.view(3, self.heads, size).index_select(1, heads).view(3 * count * size)
            proj_w = proj_w.view(self.heads, size * width).index_select(0, heads).view(count * size, width)
        qkv = F.linear(x, qkv_w, qkv_b).view(batch, length, 3, count, size).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], is_causal=True)
        y = y.transpose(1, 2).reshape(batch * length, count * size)
        return torch.addmm(self.attproj_b, y, proj_w, alpha=self.heads / count).view(batch, length, width)

    def mlp(self, x, neurons):
        fc_w, fc_b, proj_w, ratio = self.fc_w, self.fc_b, self.fcproj_w, 1.0
        if neurons is not None:
            ratio = self.inner / neurons.shape[0]
            fc_w, fc_b, proj_w = (t.index_select(0, neurons) for t in (fc_w, fc_b, proj_w))
        h = F.gelu(F.linear(x, fc_w, fc_b), approximate="tanh")
        return torch.addmm(self.fcproj_b, h.view(-1, h.shape[-1]), proj_w, alpha=ratio).view(x.shape)


class Head(nn.Module):
    """Final norm, tied output head and loss."""

    def __init__(self, width, embedding):
        super().__init__()
        self.ln_f = nn.LayerNorm(width)
        self.wte = embedding

    def forward(self, x, targets):
        logits = F.linear(self.ln_f(x), self.wte)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))


class GPT2(nn.Module):
    def __init__(self, layers, heads, width, context, vocab):
        super().__init__()
        self.wte, self.wpe = normal(vocab, width), normal(context, width)
        self.blocks = nn.ModuleList(Block(width, heads, layers) for _ in range(layers))
        self.head = Head(width, self.wte)

    def forward(self, tokens, targets, active=None):
        """active: [(layer, heads, neurons)] in order, None for the full model. Returns the mean loss."""
        x = F.embedding(tokens, self.wte) + self.wpe[: tokens.shape[1]]
        if active is None:
            for block in self.blocks:
                x = block(x)
        else:
            for layer, heads, neurons in active:
                x = self.blocks[layer](x, heads, neurons)
        return self.head(x, targets)
