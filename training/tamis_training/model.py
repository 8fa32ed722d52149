"""The encoder as a cross-encoder: question and passage in one sequence, a logit for every token and one for the passage.

The base weights stay as they are; what is learnt is a low-rank change to every matrix (LoRA, arXiv 2106.09685), the
biases, the layer norms, and two linear heads. `AdapterShape` says how large that is.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

FEED_FORWARD = ("attention.output.dense", "intermediate.dense", "output.dense")
ATTENTION = ("attention.self.query", "attention.self.key", "attention.self.value")


def fastest_kind(device):
    """bf16 where the device multiplies in it; elsewhere it is seven times slower than fp32."""
    able = device != "cpu" or any(has for name, has in torch.cpu.get_capabilities().items() if name.endswith("bf16"))
    return torch.bfloat16 if able else torch.float32


@dataclass(frozen=True)
class AdapterShape:
    """How much of the network is learnt."""

    rank: int = 16
    """Rank of the change to query, key and value projections."""
    rank_rest: int = 8
    """The same for the attention's output and the feed-forward layers."""


class Changed(torch.autograd.Function):
    """`x merged^T + bias` whose gradient goes to the bias and to the two thin matrices of the change. A gradient of the
    merged matrix, which is a third of all products, is never computed."""

    @staticmethod
    def forward(ctx, x, merged, bias, up, down):
        ctx.save_for_backward(x, merged, up, down)
        return F.linear(x, merged, bias.to(x.dtype))

    @staticmethod
    def backward(ctx, towards):
        x, merged, up, down = ctx.saved_tensors
        rows, wide = x.flatten(0, -2), towards.flatten(0, -2)
        thin = lambda part: part.to(x.dtype)
        to_up = wide.mT @ (rows @ thin(down).mT)
        to_down = (wide @ thin(up)).mT @ rows
        return towards @ merged, None, wide.float().sum(0), to_up.float(), to_down.float()


class AdaptedLinear(nn.Module):
    """`x W^T + b` with a frozen `W` and a learnt `up @ down` beside it."""

    def __init__(self, weight, bias, rank):
        super().__init__()
        outputs, inputs = weight.shape
        self.register_buffer("weight", weight, persistent=False)
        self.bias = nn.Parameter(bias.float().clone())
        self.down = nn.Parameter(torch.randn(rank, inputs) / math.sqrt(inputs))
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x):
        return Changed.apply(x, self.merged, self.bias, self.up, self.down)

    def merge(self, kind):
        """Adds up the change, for all that is run until the next step. It is what is served, rounding included."""
        with torch.no_grad():
            self.merged = torch.addmm(self.weight, self.up, self.down).to(kind)


class Norm(nn.Module):
    def __init__(self, weight, bias, epsilon):
        super().__init__()
        self.weight = nn.Parameter(weight.float().clone())
        self.bias = nn.Parameter(bias.float().clone())
        self.epsilon = epsilon

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight.to(x.dtype), self.bias.to(x.dtype), self.epsilon)


class Layer(nn.Module):
    def __init__(self, base, name, config, shape):
        super().__init__()
        linear = lambda part, rank: AdaptedLinear(base[f"{name}.{part}.weight"], base[f"{name}.{part}.bias"], rank)
        norm = lambda part: Norm(base[f"{name}.{part}.weight"], base[f"{name}.{part}.bias"], config["layer_norm_eps"])
        self.heads = config["num_attention_heads"]
        self.query, self.key, self.value = (linear(part, shape.rank) for part in ATTENTION)
        self.attended, self.inner, self.outer = (linear(part, shape.rank_rest) for part in FEED_FORWARD)
        self.attention_norm, self.norm = norm("attention.output.LayerNorm"), norm("output.LayerNorm")

    def forward(self, x, mask):
        batch, length, width = x.shape
        split = lambda y: y.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))
        # Spelled out: the backward pass of torch's own attention takes half of all time on CPUs.
        scores = (q / math.sqrt(width // self.heads)) @ k.transpose(-1, -2)
        mixed = (scores if mask is None else scores + mask).softmax(-1) @ v
        x = self.attention_norm(x + self.attended(mixed.transpose(1, 2).reshape(batch, length, width)))
        return self.norm(x + self.outer(F.gelu(self.inner(x))))


class ReaderMini(nn.Module):
    """Base model and adapter. Inputs are token ids and types, `[batch, length]`, and lengths; outputs are a logit for
    every token, `[batch, length]`, and one for every passage, `[batch]`."""

    def __init__(self, base_folder, shape, kind=torch.float32):
        super().__init__()
        folder = Path(base_folder)
        base = load_file(folder / "model.safetensors")
        base = {name.removeprefix("bert."): tensor for name, tensor in base.items()}
        config = json.loads((folder / "config.json").read_text())
        self.shape, self.kind = shape, kind
        for part in ("word", "position", "token_type"):
            table = base[f"embeddings.{part}_embeddings.weight"]
            self.register_buffer(f"{part}_table", table.to(kind), persistent=False)
        norm = "embeddings.LayerNorm"
        self.embedding_norm = Norm(base[f"{norm}.weight"], base[f"{norm}.bias"], config["layer_norm_eps"])
        layers = range(config["num_hidden_layers"])
        self.layers = nn.ModuleList(Layer(base, f"encoder.layer.{n}", config, shape) for n in layers)
        width = config["hidden_size"]
        self.token_head, self.passage_head = nn.Linear(width, 1), nn.Linear(width, 1)
        for head in (self.token_head, self.passage_head):
            nn.init.normal_(head.weight, std=0.02)
            nn.init.constant_(head.bias, -2.0)

    def merge(self):
        """To be called before anything is run, and after every step."""
        for module in self.modules():
            if isinstance(module, AdaptedLinear):
                module.merge(self.kind)

    def forward(self, ids, types, lengths):
        length = ids.shape[1]
        places = torch.arange(length, device=ids.device)
        x = self.word_table[ids] + self.token_type_table[types] + self.position_table[:length]
        x = self.embedding_norm(x)
        mask = None
        if int(lengths.min()) < length:
            mask = torch.where(places[None, :] < lengths[:, None], 0.0, -1e4).to(self.kind)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask)
        x = x.float()
        return self.token_head(x).squeeze(-1), self.passage_head(x[:, 0]).squeeze(-1)
