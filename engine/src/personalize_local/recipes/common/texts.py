# SPDX-License-Identifier: Apache-2.0
"""Words of items' texts, and how telling each is (TF-IDF)."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

Matrix: TypeAlias = "sparse.csr_array"
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
MOST_WORDS: Final = 400
"""Words of one text that count, its first ones."""
MIN_TEXTS: Final = 2
"""Texts that a word must be in to say anything about similarity."""
MOST_TERMS: Final = 50_000
"""Most frequent words, or pieces of words, that count."""


def words(text: str) -> list[str]:
    """Return the first words of a text in lower case, without numbers and single letters."""
    matches = (match.group().casefold() for match in _WORD.finditer(text))
    return [word for word, _ in zip((word for word in matches if len(word) > 1), range(MOST_WORDS), strict=False)]


def counts(texts: Iterable[Sequence[str]]) -> tuple[Matrix, list[str]]:
    """Return [texts, words] how often each word is in each text, and the words."""
    number: dict[str, int] = {}
    starts, columns, values = [0], [], []
    for text in texts:
        for word, count in Counter(text).items():
            columns.append(number.setdefault(word, len(number)))
            values.append(count)
        starts.append(len(columns))
    parts = (np.array(values, np.float32), np.array(columns, np.int32), np.array(starts))
    return sparse.csr_array(parts, shape=(len(starts) - 1, len(number))), list(number)


def pieces(vocabulary: Sequence[str], length: int = 3) -> Matrix:
    """[words, pieces] the runs of so many characters in each word, its ends included.

    They make inflections, compounds and typing errors alike, and stand in for words where a language has no spaces.
    """
    runs = ([f"^{word}$"[at : at + length] for at in range(len(word) + 3 - length)] for word in vocabulary)
    return counts(runs)[0]


def weighted(matrix: Matrix) -> Matrix:
    """Return TF-IDF of counts (logarithmic, rare terms left out), each row of length 1."""
    texts = matrix.shape[0]
    occurring = np.bincount(matrix.indices, minlength=matrix.shape[1])
    terms = np.flatnonzero((occurring >= min(MIN_TEXTS, texts)) & (occurring < max(texts, 2)))
    terms = np.sort(terms[np.argsort(-occurring[terms], kind="stable")][:MOST_TERMS])
    matrix = matrix[:, terms].tocsr()
    matrix.data = (1.0 + np.log(matrix.data)) * np.log(texts / occurring[terms])[matrix.indices]
    return normalized(matrix)


def normalized(matrix: Matrix) -> Matrix:
    lengths = np.sqrt(np.maximum((matrix * matrix).sum(axis=1), 1e-12))
    return sparse.csr_array(
        (matrix.data / np.repeat(lengths, np.diff(matrix.indptr)), matrix.indices, matrix.indptr), shape=matrix.shape
    )


def embedded(matrix: Matrix, dimensions: int) -> npt.NDArray[np.float32]:
    """[texts, dimensions] latent semantic analysis: vectors of length 1 by randomized singular value decomposition.

    Deerwester et al., "Indexing by latent semantic analysis" (1990); Halko, Martinsson and Tropp, "Finding structure
    with randomness" (2011).
    """
    dimensions = min(dimensions, *matrix.shape)
    basis = np.random.default_rng(3).standard_normal((matrix.shape[1], dimensions)).astype(np.float32)
    for _ in range(4):
        basis, _ = np.linalg.qr(matrix.T @ (matrix @ basis))
    left, values, _ = np.linalg.svd(matrix @ basis, full_matrices=False)
    vectors = left * values
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return np.asarray(vectors, np.float32)
