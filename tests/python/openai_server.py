"""llama.cpp behind an OpenAI-compatible endpoint, until standard input closes: openai_server.py MODEL.gguf

Prints the endpoint's URL once it answers.
"""

import sys

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx = 4096
server = xllamacpp.Server(params)
print(server.listening_address + "/v1", flush=True)
sys.stdin.read()
