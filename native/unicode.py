"""Print the tokeniser's table of Unicode characters, as this Python's `unicodedata` has them, as a C++ header.

An entry is the distance to the lower-case code point times 8, plus the class of that character. Pages of 256 entries
that are equal are stored once.
"""

import sys
import unicodedata

OTHER, WORD, MARK, SINGLE, APOSTROPHE, DOTTED_I = range(6)  # as in ngrams.cpp


def lower(code: int) -> int:
    """The code point that a character becomes."""
    if code == 0x2019:
        return ord("'")
    text = chr(code).lower()
    return ord(text) if len(text) == 1 else code


def entry(code: int) -> int:
    """The table's number for a character."""
    if code == 0x130:  # the only one that lowers to two: i and a dot above
        return DOTTED_I
    low = lower(code)
    c = chr(low)
    category = unicodedata.category(c)
    if category == "So" or (category == "Lo" and unicodedata.name(c, "").startswith("CJK ")):
        kind = SINGLE
    elif category[0] in "LN" or c == "_":
        kind = WORD
    elif c == "'":
        kind = APOSTROPHE
    else:
        kind = MARK if category[0] == "M" else OTHER
    return (low - code) * 8 + kind


def main() -> None:
    """Print the header."""
    assert [c for c in range(sys.maxunicode + 1) if len(chr(c).lower()) != 1] == [0x130]
    pages: dict[tuple[int, ...], int] = {}
    index = []
    for start in range(0, sys.maxunicode + 1, 256):
        page = tuple(entry(c) for c in range(start, start + 256))
        index.append(pages.setdefault(page, len(pages)))
    print(f"// Unicode {unicodedata.unidata_version}, by native/unicode.py.")
    print(f"static constexpr unsigned short kPage[{len(index)}] = {{{','.join(map(str, index))}}};")
    print(f"static constexpr int kEntry[{len(pages)}][256] = {{")
    for page in pages:
        print(f"{{{','.join(map(str, page))}}},")
    print("};")


main()
