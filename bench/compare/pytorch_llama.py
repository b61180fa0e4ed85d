# Llama in PyTorch: RMSNorm, rotary positions, grouped queries, SwiGLU, a head of its own.

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from pytorch_gpt2 import normal


def rotations(length, size, base=10000.0):
    """Cosines and sines (T, HS / 2)."""
    frequencies = base ** (-torch.arange(0, size, 2).float() / size)
    angles = torch.outer(torch.arange(length).float(), frequencies)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    """x: (B, heads, T, HS)."""
    a, b = x.chunk(2, -1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Block(nn.Module):
    def __init__(self, width, heads, kv_heads, inner, layers):
        super().__init__()
        residual_std = 0.02 / math.sqrt(2 * layers)
        self.heads, self.kv_heads, self.size = heads, kv_heads, width // heads
        self.norm_1, self.norm_2 = nn.RMSNorm(width, eps=1e-5), nn.RMSNorm(width, eps=1e-5)
        self.qkv = normal((heads + 2 * kv_heads) * self.size, width)
        self.out = normal(width, width, std=residual_std)
        self.gate, self.up = normal(inner, width), normal(inner, width)
        self.down = normal(width, inner, std=residual_std)

    def forward(self, x, cos, sin):
        batch, length, width = x.shape
        qkv = F.linear(self.norm_1(x), self.qkv).view(batch, length, -1, self.size).transpose(1, 2)
        q, k, v = qkv.split((self.heads, self.kv_heads, self.kv_heads), 1)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.kv_heads < self.heads)
        x = x + F.linear(y.transpose(1, 2).reshape(batch, length, width), self.out)
        h = self.norm_2(x)
        return x + F.linear(F.silu(F.linear(h, self.gate)) * F.linear(h, self.up), self.down)


class Llama(nn.Module):
    def __init__(self, layers, heads, kv_heads, width, inner, context, vocab):
        super().__init__()
        self.embedding, self.head = normal(vocab, width), normal(vocab, width)
        self.blocks = nn.ModuleList(Block(width, heads, kv_heads, inner, layers) for _ in range(layers))
        self.norm = nn.RMSNorm(width, eps=1e-5)
        cos, sin = rotations(context, width // heads)
        self.register_buffer("cos", cos)
        self.register_buffer("sin", sin)

    def forward(self, tokens, targets):
        """Returns the mean loss."""
        length = tokens.shape[1]
        x = F.embedding(tokens, self.embedding)
        for block in self.blocks:
            x = block(x, self.cos[:length], self.sin[:length])
        logits = F.linear(self.norm(x), self.head)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))
