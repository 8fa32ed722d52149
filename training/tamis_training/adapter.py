"""The adapter's file: fp16 safetensors with the base model's own names.

A matrix `NAME` is changed by `NAME.up @ NAME.down`; biases and norms take the place of the base model's. The metadata says
which weights it belongs to. `src/read/mini/adapter.rs` reads it.
"""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

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


def save(model, path, base_folder, name="reader-mini", languages=("eng",), **said):
    """Writes the adapter; what else is said of it goes into the metadata."""
    tensors = {file_name(own): p.detach().to(torch.float16).contiguous() for own, p in model.named_parameters()}
    if not all(t.isfinite().all() for t in tensors.values()):
        raise SystemExit("the adapter holds values that are no numbers: train with a smaller rate")
    metadata = {"format": FORMAT, "name": name, "base": fingerprint(base_folder), "languages": ",".join(languages)}
    metadata |= {key: value if isinstance(value, str) else json.dumps(value) for key, value in said.items()}
    save_file(tensors, path, metadata | {"shape": json.dumps(vars(model.shape))})
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def load(path, base_folder, kind=torch.float32):
    """The model with this adapter in it."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        if metadata["base"] != fingerprint(base_folder):
            raise SystemExit(f"{path} was trained on other weights than those in {base_folder}")
        model = ReaderMini(base_folder, AdapterShape(**json.loads(metadata["shape"])), kind)
        with torch.no_grad():
            for own, p in model.named_parameters():
                p.copy_(file.get_tensor(file_name(own)).float())
    return model
