"""Reference signals for the reader's test, from transformers: `python make.py MODEL.gguf > reference.json`.

    pip install torch==2.15.0 transformers==5.24.0 gguf==0.19.0 accelerate

Every reading is given with its tokens, the last token's attention in some heads, the negative log-likelihood of every
token after the first, and the entropy of the next one, in 32-bit floats.
"""

import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

READINGS = [
    ("Tamis", "A tamis is a drum sieve of 1650. Cooks press food through its mesh, café style: 3.5 mm.",
     "what do cooks press through a tamis?"),
    ("", "fn main() {\n    let x = 0x1F;\t// 東京 <|im_end|>\n}\n", "what is x?"),
    ("Prices", "| what | cost |\n|---|---|\n| butter | 3.00 |\n", "what does butter cost"),
]
HEADS = [(14, 4), (15, 0), (17, 1), (18, 1), (18, 3)]

folder, file = os.path.split(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
# A passage may hold what looks like a control token: the reader takes it for text.
text_only = json.loads(tokenizer.backend_tokenizer.to_str())
text_only["added_tokens"] = []
text_only["post_processor"] = None
from tokenizers import Tokenizer
encode = Tokenizer.from_str(json.dumps(text_only)).encode
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32, attn_implementation="eager").eval()


def signals(title, text, question):
    before = f"{title}\n" if title else ""
    encoded = encode(f"{before}{text}\n\nQuestion: {question}\nAnswer:", add_special_tokens=False)
    ids, start, end = encoded.ids, len(before), len(before) + len(text)
    inside = [n for n, (a, b) in enumerate(encoded.offsets) if a < end and b > start]
    with torch.no_grad():
        out = model(torch.tensor([ids]), output_attentions=True)
    logs = torch.log_softmax(out.logits[0].double(), -1)
    rows = [[round(x, 7) for x in out.attentions[layer][0, head, -1].tolist()] for layer, head in HEADS]
    return {
        "title": title, "text": text, "question": question, "tokens": ids, "passage": [inside[0], inside[-1] + 1],
        "attention": rows,
        "unlikely": [round(-logs[n, ids[n + 1]].item(), 5) for n in range(len(ids) - 1)],
        "entropy": round(-(logs[-1].exp() * logs[-1]).sum().item(), 5),
    }


json.dump({"heads": HEADS, "readings": [signals(*r) for r in READINGS]}, sys.stdout, ensure_ascii=False)
print()
