"""The adapter's file: fp16 safetensors with the base model's own names.

A matrix `NAME` is changed by `NAME.up @ NAME.down`; biases and norms take the place of the base model's. The metadata says
which weights it belongs to. `src/read/mini/adapter.rs` reads it.
"""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save as torch_save

from .model import AdapterShape, ReaderMini

FORMAT = "tamis-reader-mini/1"
PARTS = {
    "query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value",
    "attended": "attention.output.dense", "inner": "intermediate.dense", "outer": "output.dense",
    "attention_norm": "attention.output.LayerNorm", "norm": "output.LayerNorm",
}


def file_name(own):
    """The name in the file of one of the model's parameters."""
    if own.startswith("embedding_norm."):
        return own.replace("embedding_norm.", "embeddings.LayerNorm.")
    if not own.startswith("layers."):
        return own
    _, layer, part, kind = own.split(".")
    kind = {"up": "weight.up", "down": "weight.down"}.get(kind, kind)
    return f"encoder.layer.{layer}.{PARTS[part]}.{kind}"


def fingerprint(base_folder):
    return hashlib.sha256((Path(base_folder) / "model.safetensors").read_bytes()).hexdigest()


def save(model, path, base_folder, name="reader-mini", languages=("eng",)):
    """Writes the adapter; returns the file's SHA-256."""
    tensors = {file_name(own): p.detach().to(torch.float16).contiguous() for own, p in model.named_parameters()}
    if not all(t.isfinite().all() for t in tensors.values()):
        raise SystemExit("the adapter holds values that are no numbers: train with a smaller rate")
    metadata = {"format": FORMAT, "name": name, "base": fingerprint(base_folder), "languages": ",".join(languages)}
    written = in_order(torch_save(tensors, metadata | {"shape": json.dumps(vars(model.shape))}))
    Path(path).write_bytes(written)
    return hashlib.sha256(written).hexdigest()


def in_order(file):
    """The same file with its header's keys in order: safetensors leaves the metadata's to chance."""
    length = int.from_bytes(file[:8], "little")
    header = json.dumps(json.loads(file[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + file[8 + length :]


def load(path, base_folder, kind=torch.float32):
    """The model with this adapter in it."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        if metadata["base"] != fingerprint(base_folder):
            raise SystemExit(f"{path} was trained on other weights than those in {base_folder}")
        shape = json.loads(metadata["shape"])
        model = ReaderMini(base_folder, AdapterShape(shape["rank"], shape["rank_rest"]), kind)
        with torch.no_grad():
            for own, p in model.named_parameters():
                p.copy_(file.get_tensor(file_name(own)).float())
    return model
