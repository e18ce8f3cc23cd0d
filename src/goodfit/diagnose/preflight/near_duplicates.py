"""Texts that are nearly the same, found by min-hash. NumPy only.

A text is the set of its word triples. One-permutation hashing (Li, Owen & Zhang 2012) keeps the least hash in each
of 64 bins, empty bins borrow from the next (Shrivastava & Li 2014), and texts that agree on four bins in a row are
looked at: with 16 such bands a pair that shares 70 % of its triples is seen with probability 0.99. Every pair told
is then counted exactly, so none is a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from goodfit.diagnose.preflight.rows import Array

LIKE = 0.7
"""Jaccard similarity of the word triples from which two texts are nearly the same. Chosen: one word changed in
twenty."""

FEWEST_WORDS = 8
"""Words under which a text is too short to be nearly the same as another."""

_BINS, _BAND = 64, 4
_CHUNK = 2**21
_MOST = 5000
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
_EMPTY = np.uint32(2**32 - 1)
_LETTER = np.array([chr(b).isalnum() or b >= 128 for b in range(256)])
"""Bytes of words in UTF-8: ASCII letters and digits, and all parts of other characters."""


def near_duplicates(texts: Sequence[str]) -> Array:
    """Pairs of positions of nearly equal texts, the earlier first; int, shape `(pairs, 2)`.

    At most 5,000 pairs are told, those first that look the most alike; of a cluster not every pair.
    """
    sketch, full = _sketches(texts)
    candidates = _candidates(_filled(sketch), full)
    if not len(candidates):
        return candidates
    a, b = sketch[candidates[:, 0]], sketch[candidates[:, 1]]
    there = (a != _EMPTY) | (b != _EMPTY)
    guess = ((a == b) & there).sum(axis=1) / np.maximum(1, there.sum(axis=1))
    order = np.argsort(-guess, kind="stable")[:_MOST]
    likely = candidates[order[guess[order] >= LIKE - 0.2]]  # three standard deviations of the guess
    return np.array([p for p in likely if jaccard(texts[p[0]], texts[p[1]]) >= LIKE], np.int64).reshape(-1, 2)


def jaccard(a: str, b: str) -> float:
    """Word triples that two texts share, over all that either has."""
    x, y = _triples(a), _triples(b)
    return len(x & y) / max(1, len(x | y))


def _triples(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"[0-9a-z\u0080-\U0010ffff]+", text.lower())
    return set(zip(words, words[1:], words[2:], strict=False))


def _sketches(texts: Sequence[str]) -> tuple[Array, Array]:
    """The least hash in each bin, uint32, shape `(texts, 64)`, and which texts are long enough."""
    sketch = np.full((len(texts), _BINS), _EMPTY)
    full = np.zeros(len(texts), bool)
    for start, part in _chunks(texts):
        document, words = _words(part)
        full[start : start + len(part)] = np.bincount(document, minlength=len(part)) >= FEWEST_WORDS
        if len(words) < 3:
            continue
        whole = document[2:] == document[:-2]
        hashed = _mixed(words[:-2] * np.uint64(3) + words[1:-1] * np.uint64(5) + words[2:] * np.uint64(7))[whole]
        at = (document[2:][whole] + start) * _BINS + (hashed >> np.uint64(58)).astype(np.int64)
        np.minimum.at(sketch.reshape(-1), at, (hashed & np.uint64(2**32 - 1)).astype(np.uint32))
    return sketch, full


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, list[bytes]]]:
    """Position of the first and the texts as bytes in lower case, some megabytes at a time."""
    part: list[bytes] = []
    start = size = 0
    for i, text in enumerate(texts):
        part.append(text.lower().encode(errors="replace"))
        size += len(part[-1])
        if size >= _CHUNK:
            yield start, part
            start, part, size = i + 1, [], 0
    if part:
        yield start, part


def _words(part: Sequence[bytes]) -> tuple[Array, Array]:
    """The text that each word stands in and the word's 64-bit hash, in order; each of shape `(words,)`."""
    data = np.frombuffer(b"\n" + b"\n".join(part) + b"\n", np.uint8)
    edges = np.flatnonzero(np.diff(_LETTER[data])) + 1
    starts, ends = edges[::2], edges[1::2]
    begin = np.cumsum([0, *(len(t) + 1 for t in part[:-1])]) + 1
    # A polynomial over the bytes, as differences of a running sum; the inverse power moves each word to the origin.
    power = np.cumprod(np.full(len(data), _FACTOR))
    total = np.cumsum((data.astype(np.uint64) + np.uint64(1)) * power)
    back = np.cumprod(np.full(len(data), _INVERSE))
    return np.searchsorted(begin, starts, "right") - 1, _mixed((total[ends - 1] - total[starts - 1]) * back[starts])


def _mixed(x: Array) -> Array:
    """SplitMix64's finaliser: every bit of the input moves every bit of the output."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _filled(sketch: Array) -> Array:
    """Empty bins take what the next full one has, so that short texts have whole bands too."""
    out = sketch.copy()
    for _ in range(_BINS):
        empty = out == _EMPTY
        if not empty.any():
            break
        out = np.where(empty, np.roll(out, -1, axis=1), out)
        if (out == _EMPTY).all(axis=1).any():
            out[(out == _EMPTY).all(axis=1)] = 0
    return out


def _candidates(sketch: Array, full: Array) -> Array:
    """Pairs that agree on a whole band, each with the one before it in that band; int, shape `(pairs, 2)`."""
    at = np.flatnonzero(full)
    pairs = []
    for band in range(0, _BINS, _BAND):
        key = np.zeros(len(at), np.uint64)
        for column in range(band, band + _BAND):
            key = _mixed(key + sketch[at, column].astype(np.uint64))
        order = np.argsort(key, kind="stable")
        same = np.flatnonzero(key[order][1:] == key[order][:-1])
        pairs.append(np.stack([at[order[same]], at[order[same + 1]]], axis=1))
    return np.unique(np.concatenate(pairs), axis=0)
