import csv
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from goodfit.encode import ngrams
from goodfit.errors import UsageError

try:
    from goodfit import _native
except ImportError:
    _native = None
needs_native = pytest.mark.skipif(_native is None, reason="extension not built")
TRICKY = (
    "Don’t 'stop' İstanbul ❤️ 👩‍👩‍👧 naïve cafe\u0301 a_b 中文字 x² ½ 'rock'n'roll' ΣΑΣ"
    " a''b a'\u0301b \u0301x \ud800 y' \x00"
    " a-very_long.token-" + "x" * 40 + "'" + "ñ" * 20
)


def both_ways(monkeypatch, texts, transform_of=None, **options):
    """Vocabulary and counts of the C++ version, after they were found equal to the Python version's."""
    results = []
    for use in ("1", "0"):
        monkeypatch.setenv("GOODFIT_NATIVE", use)
        vocabulary, counts = ngrams.fit(texts, **options)
        again = ngrams.transform(transform_of or texts, vocabulary, options.get("ngram_range", (1, 1)))
        results.append((vocabulary, counts, again))
    (vocabulary, counts, again), (slow_vocabulary, slow_counts, slow_again) = results
    assert vocabulary == slow_vocabulary
    for a, b in ((counts, slow_counts), (again, slow_again)):
        assert a.shape == b.shape
        for part in ("indptr", "indices", "data"):
            assert getattr(a, part).dtype == getattr(b, part).dtype
            np.testing.assert_array_equal(getattr(a, part), getattr(b, part))
    return vocabulary, counts


def test_tokens_are_words_and_symbols():
    assert ngrams.tokens("It's NOT bad—it’s 'good'!") == ["it's", "not", "bad", "it's", "good"]
    assert ngrams.tokens("año 2024: ¡olé! 👍👍🏽 a_b") == ["año", "2024", "olé", "👍", "👍", "a_b"]
    assert ngrams.tokens("日本語です") == ["日", "本", "語", "です"]
    assert ngrams.tokens("") == []


def test_vocabulary_is_by_count_then_alphabet():
    vocabulary, counts = ngrams.fit(["b a b", "a c", None], (1, 2))
    assert vocabulary == ["a", "b", "a b", "a c", "b a", "c"]
    np.testing.assert_array_equal(counts.toarray(), [[1, 2, 1, 0, 1, 0], [1, 0, 0, 1, 0, 1], [0] * 6])
    assert isinstance(counts, csr_array)
    assert (counts.dtype, counts.indices.dtype) == (np.float32, np.int32)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"min_df": 2}, ["a", "b"]),
        ({"min_df": 0.7}, ["a"]),
        ({"max_df": 0.9}, ["b", "c"]),
        ({"max_df": 1}, ["c"]),
        ({"max_features": 2}, ["a", "b"]),
    ],
)
def test_document_frequency_bounds_the_vocabulary(options, expected):
    assert ngrams.fit(["a b", "a b b", "a c"], **options)[0] == expected


@pytest.mark.parametrize(
    "options",
    [{"ngram_range": (0, 1)}, {"ngram_range": (2, 1)}, {"ngram_range": (1, 4)}, {"min_df": -1}, {"max_df": 1.5}],
)
def test_wrong_options_are_told(options):
    with pytest.raises(UsageError):
        ngrams.fit(["a"], **options)


def test_unknown_and_odd_vocabularies_are_harmless():
    counts = ngrams.transform(["a b a b c", "q"], ["b", "a b", "", "z", "B", "a b c d", "a  b", "a b c"], (1, 2))
    np.testing.assert_array_equal(counts.toarray(), [[2, 2, 0, 0, 0, 0, 0, 0], [0] * 8])


@needs_native
def test_native_is_slow_on_tricky_texts(monkeypatch):
    texts = [TRICKY, None, "", "plain ascii", TRICKY[::-1], "a " * 50]
    for low, high in ((1, 1), (1, 3), (2, 3), (3, 3)):
        both_ways(monkeypatch, texts, ngram_range=(low, high))
    both_ways(monkeypatch, [])


@pytest.mark.parametrize("block", [1, 2, 5])
def test_texts_taken_in_blocks_give_the_same(monkeypatch, block):
    texts = [TRICKY, None, "", "b a b", "a c", TRICKY[::-1], "c a b a"]
    options = {"ngram_range": (1, 2), "min_df": 2, "max_features": 9}
    whole = ngrams.fit(texts, **options)
    monkeypatch.setattr(ngrams, "BLOCK", block)
    vocabulary, counts = ngrams.fit(texts, **options)
    assert vocabulary == whole[0]
    np.testing.assert_array_equal(counts.toarray(), whole[1].toarray())
    assert counts.indices.dtype == counts.indptr.dtype == np.int32


@needs_native
@pytest.mark.parametrize("blocks", [None, ["a b"], [("a",), 3], [("a", 1)]])
def test_what_is_no_block_of_texts_is_an_error(blocks):
    with pytest.raises(TypeError):
        _native.choose(blocks, 1, 1, -1, 0.0, 9.0)


@needs_native
def test_native_knows_every_character(monkeypatch):
    texts = ["".join(f"a{chr(c)}b " for c in range(start, start + 4096)) for start in range(0, 0x110000, 4096)]
    assigned = [t for t in texts if any(unicodedata.category(c) not in ("Cn", "Co", "Cs") for c in t[1::4])]
    both_ways(monkeypatch, assigned)


@needs_native
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(st.characters() | st.sampled_from("aab B'’_ 👍中\u0301İ")), max_size=5),
    st.sampled_from([(1, 1), (1, 2), (2, 3)]),
    st.one_of(st.none(), st.integers(1, 5)),
    st.integers(0, 2),
)
def test_native_is_slow(texts, ngram_range, max_features, min_df):
    with pytest.MonkeyPatch.context() as patch:
        both_ways(patch, texts, ngram_range=ngram_range, max_features=max_features, min_df=min_df)


@needs_native
@pytest.mark.real
@pytest.mark.parametrize(
    ("file", "column", "most"),
    [("imdb/IMDB Dataset.csv", "review", 500), ("noticias-es/dataset_noticias.csv", None, 300)],
)
def test_native_is_slow_on_real_texts(monkeypatch, file, column, most):
    folders = [Path(f) for f in os.environ.get("GOODFIT_DATA", "").split(os.pathsep) if f]
    path = next((f / file for f in folders if (f / file).is_file()), None)
    if path is None:
        pytest.skip(f"GOODFIT_DATA has no {file}")
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [row for _, row in zip(range(most), csv.DictReader(lines), strict=False)]
    texts = [row[column] if column else max(row.values(), key=lambda v: len(v or "")) for row in rows]
    both_ways(monkeypatch, texts, texts[:100], ngram_range=(1, 2), min_df=2, max_df=0.5, max_features=5000)
    once = ngrams.fit(texts, (1, 3))
    again = ngrams.fit(texts, (1, 3))
    assert once[0] == again[0]
    assert (once[1] != again[1]).nnz == 0


@needs_native
@pytest.mark.skipif(sys.platform != "linux", reason="no such limits")
@pytest.mark.parametrize("way", ["fit", "choose", "known", "count"])
def test_memory_that_runs_out_in_a_thread_is_an_exception(way):
    """An exception that left a thread would end the process."""
    code = (
        "import resource, sys\n"
        "from goodfit import _native\n"
        "def limit():\n"
        "    pages = int(open('/proc/self/statm').read().split()[0])\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (8 << 20),) * 2)\n"
        "texts = tuple(' '.join(f'{i}x{k}' for k in range(200)) for i in range(4000))\n"
        "calls = {\n"
        "    'fit': lambda: _native.fit(texts, 1, 2, -1, 1, 1e9),\n"
        "    'choose': lambda: _native.choose(iter([texts]), 1, 2, -1, 1, 1e9),\n"
        "    'known': lambda: _native.known(grams, 1, 2),\n"
        "    'count': lambda: _native.count(texts * 20, vocabulary),\n"
        "}\n"
        "vocabulary = _native.known(('0x0',), 1, 1)\n"
        "grams = tuple(f'{i} {i + 1}' for i in range(900_000)) if sys.argv[1] == 'known' else ()\n"
        "if sys.argv[1] == 'count':\n"
        "    vocabulary = _native.known(tuple(t for text in texts for t in text.split()), 1, 1)\n"
        "limit()\n"
        "try:\n"
        "    calls[sys.argv[1]]()\n"
        "except MemoryError:\n"
        "    print('told')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, way], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "told\n"), done.stderr
