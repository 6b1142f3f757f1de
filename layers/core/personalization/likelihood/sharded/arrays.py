# SPDX-License-Identifier: Apache-2.0
"""Arrays and lists of texts in one object, in numpy's own format and without pickle."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_TEXTS = ".json"


def pack(arrays: Mapping[str, Array], texts: Mapping[str, Sequence[str]] | None = None) -> bytes:
    """Return named arrays and lists of texts as they are stored."""
    stored = dict(arrays)
    for name, values in (texts or {}).items():
        text = json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))
        stored[name + _TEXTS] = np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **stored)
    return out.getvalue()


def unpack(data: bytes) -> tuple[dict[str, Array], dict[str, list[str]]]:
    """Return the arrays and the lists of texts."""
    arrays: dict[str, Array] = {}
    texts: dict[str, list[str]] = {}
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        for name in stored.files:
            if name.endswith(_TEXTS):
                texts[name.removesuffix(_TEXTS)] = json.loads(stored[name].tobytes().decode("utf-8", "surrogatepass"))
            else:
                arrays[name] = stored[name]
    return arrays, texts
