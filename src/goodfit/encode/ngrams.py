"""Texts to word counts: the tokeniser, n-grams, and the choice of a vocabulary.

A text is lower-cased character by character (`str.lower` of each code point alone), and cut into tokens:

- a *word*: a letter, number (categories L and N of Unicode) or underscore, then any run of these and of
  marks (M); inner apostrophes stay (`don't`; U+2019 counts as one and becomes U+0027), outer ones go;
- a *single*: each emoji, pictograph or other symbol (So), and each Han ideograph, is a token by itself.

All else separates. An n-gram is n neighbouring tokens of one text, joined by a blank.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from goodfit import memory, settings
from goodfit.errors import DataError, UsageError

LONGEST = 3
"""Tokens of the longest n-gram."""

BLOCK = 65_536
"""Texts that are Python objects at once."""


def fit(
    texts: Sequence[str | None],
    ngram_range: tuple[int, int] = (1, 1),
    max_features: int | None = None,
    min_df: int | float = 1,
    max_df: int | float = 1.0,
) -> tuple[list[str], csr_array]:
    """Choose a vocabulary and count it.

    Args:
        texts: The texts, any sequence that can be sliced; None is an empty one. They are taken `BLOCK` at a time.
        ngram_range: Tokens of the shortest and the longest n-gram, from 1 to `LONGEST`.
        max_features: N-grams to keep at most, the most frequent of all texts together.
        min_df: Texts that an n-gram must stand in at least: a number, or a share if a float.
        max_df: Texts that it may stand in at most, likewise.

    Returns:
        The vocabulary by falling total count, ties in code point order, and the counts: float32
        (texts, vocabulary) with sorted int32 indices.

    Raises:
        UsageError: An option out of its range.
    """
    _check(ngram_range)
    if max_features is not None and max_features < 1:
        raise UsageError("bad max_features", expected="None or 1 or more", received=repr(max_features))
    low, high = (_documents(len(texts), name, df) for name, df in (("min_df", min_df), ("max_df", max_df)))
    native = _native()
    if native is None:
        return _slow_fit(texts, ngram_range, max_features, low, high)
    most = -1 if max_features is None else max_features
    if len(texts) <= BLOCK:  # few enough to be kept as numbers, so that they are read once
        vocabulary, counts = native.fit(tuple(texts), *ngram_range, most, low, high)
        return vocabulary, _counts([counts], len(vocabulary))
    vocabulary, known = native.choose(_blocks(texts), *ngram_range, most, low, high)
    return vocabulary, _counted(native, texts, known, len(vocabulary))


def transform(
    texts: Sequence[str | None], vocabulary: Sequence[str], ngram_range: tuple[int, int] = (1, 1)
) -> csr_array:
    """Count a known vocabulary; other n-grams are passed over.

    Returns:
        float32 (texts, vocabulary) with sorted int32 indices.
    """
    _check(ngram_range)
    native = _native()
    if native is None:
        return _slow_transform(texts, vocabulary, ngram_range)
    return _counted(native, texts, native.known(tuple(vocabulary), *ngram_range), len(vocabulary))


def tokens(text: str) -> list[str]:
    """The tokens of a text, in order."""
    text = "".join(map(str.lower, text)).replace("\u2019", "'")
    return [text[m.start() : m.end()] for m in _TOKEN.finditer(text.translate(_CLASSES))]


class _Classes(dict[int, str]):
    """Code point to its class, found when first met: `w` word, `m` mark, `s` single, `'`, or a blank."""

    def __missing__(self, code: int) -> str:
        category = unicodedata.category(chr(code))
        if category == "So" or (category == "Lo" and unicodedata.name(chr(code), "").startswith("CJK ")):
            found = "s"
        elif category[0] in "LN":
            found = "w"
        else:
            found = "m" if category[0] == "M" else " "
        self[code] = found
        return found


_CLASSES = _Classes({ord("_"): "w", ord("'"): "'"})
_TOKEN = re.compile("w[wm]*(?:'w[wm]*)*|s")


def _native() -> Any:
    """The C++ version, which gives the same in far less time, or None."""
    if settings.native_wanted():
        try:
            from goodfit import _native

            return _native
        except ImportError:
            pass
    return None


def _blocks(texts: Sequence[str | None]) -> Iterator[tuple[str | None, ...]]:
    return (tuple(texts[at : at + BLOCK]) for at in range(0, len(texts), BLOCK))


def _require_room(need: int) -> None:
    """Check that what the first texts make of all of them can be held."""
    if need > (there := memory.available()):
        raise DataError(
            "the encoded texts do not fit into memory",
            expected=f"about {memory.shown(need)}",
            received=memory.shown(there),
            fix="Give more (--memory), keep fewer words (--words), or take a sample of the rows.",
        )


def _counted(native: Any, texts: Sequence[str | None], known: object, columns: int) -> csr_array:
    """Counts of a native vocabulary, a block at a time."""
    parts = []
    for block in _blocks(texts):
        parts.append(native.count(block, known))
        if len(parts) == 1:
            _require_room(sum(map(len, parts[0])) * len(texts) // len(block))
    return _counts(parts, columns)


def _counts(parts: list[tuple[bytearray, bytearray, bytearray]], columns: int) -> csr_array:
    """Blocks of counts as one array; each block is let go of when it is copied."""
    entries = sum(len(indices) for _, indices, _ in parts) // 4
    if entries >= 2**31:
        raise DataError(
            "the texts have too many words to be held at once",
            expected="fewer than 2,147,483,648 different words, counted in each text",
            received=f"{entries:,}",
            fix="Keep fewer words (--words), or take a sample of the rows.",
        )
    if len(parts) == 1:
        indptr, indices, values = (np.frombuffer(a, t) for a, t in zip(parts[0], _TYPES, strict=True))
        return csr_array((values, indices, indptr), shape=(len(indptr) - 1, columns))
    indptr = np.zeros(sum(len(starts) // 4 - 1 for starts, _, _ in parts) + 1, np.int32)
    indices, values = np.empty(entries, np.int32), np.empty(entries, np.float32)
    row = entry = 0
    for at, part in enumerate(parts):
        starts, found, counts = (np.frombuffer(a, t) for a, t in zip(part, _TYPES, strict=True))
        indptr[row + 1 : row + len(starts)] = starts[1:] + entry
        indices[entry : entry + len(found)], values[entry : entry + len(found)] = found, counts
        row, entry = row + len(starts) - 1, entry + len(found)
        parts[at] = (bytearray(), bytearray(), bytearray())
    return csr_array((values, indices, indptr), shape=(row, columns))


_TYPES = (np.int32, np.int32, np.float32)


def _check(ngram_range: tuple[int, int]) -> None:
    low, high = ngram_range
    if not 1 <= low <= high <= LONGEST:
        raise UsageError("bad ngram_range", expected=f"(low, high) from 1 to {LONGEST}", received=repr(ngram_range))


def _documents(texts: int, name: str, df: int | float) -> float:
    """A document frequency as a number of texts."""
    if df < 0 or (isinstance(df, float) and df > 1):
        raise UsageError(f"bad {name}", expected="a number of texts, or a share from 0.0 to 1.0", received=repr(df))
    return df * texts if isinstance(df, float) else df


def _grams(text: str | None, ngram_range: tuple[int, int]) -> list[str]:
    words = tokens(text or "")
    low, high = ngram_range
    return [" ".join(words[i : i + n]) for n in range(low, high + 1) for i in range(len(words) - n + 1)]


def _slow_fit(
    texts: Sequence[str | None],
    ngram_range: tuple[int, int],
    max_features: int | None,
    low: float,
    high: float,
) -> tuple[list[str], csr_array]:
    counted = [Counter(_grams(t, ngram_range)) for t in texts]
    documents = Counter(chain.from_iterable(counted))
    total: Counter[str] = Counter()
    for c in counted:
        total.update(c)
    kept = [gram for gram in total if low <= documents[gram] <= high]
    vocabulary = sorted(kept, key=lambda gram: (-total[gram], gram))[:max_features]
    return vocabulary, _matrix(counted, vocabulary)


def _slow_transform(texts: Sequence[str | None], vocabulary: Sequence[str], ngram_range: tuple[int, int]) -> csr_array:
    return _matrix([Counter(_grams(t, ngram_range)) for t in texts], vocabulary)


def _matrix(counted: list[Counter[str]], vocabulary: Sequence[str]) -> csr_array:
    column = {gram: i for i, gram in enumerate(vocabulary)}
    rows = [sorted((column[gram], n) for gram, n in c.items() if gram in column) for c in counted]
    indptr = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    indices, values = np.array([*chain.from_iterable(rows)], np.int32).reshape(-1, 2).T
    return csr_array((values.astype(np.float32), indices.copy(), indptr), shape=(len(rows), len(vocabulary)))
