"""The words of the page. A language is one file beside this one, holding `MESSAGES` with the keys of `en.py`.

Sentences that a study wrote (`study.json`) stay as they are.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from goodfit.errors import UsageError, near


class Texts:
    """The messages of one language, filled in: `texts("verdict.looks", n=1)`."""

    def __init__(self, lang: str, messages: Mapping[str, str]):
        self.lang = lang
        self.messages = messages

    def __call__(self, key: str, **values: object) -> str:
        """The message of this key."""
        return self.messages[key].format(**values)

    def many(self, key: str, n: int, **values: object) -> str:
        """The message `key.one` or `key.many`, whichever `n` calls for; `{n}` has its thousands set apart."""
        from goodfit.report.numbers import count

        form = f"{key}.one" if n == 1 else f"{key}.many"
        return self(form, n=count(n, self.messages["thousands"]), **values)

    def word(self, prefix: str, word: str) -> str:
        """The message `prefix.word`, or the word itself (underscores as spaces) where there is none."""
        return self.messages.get(f"{prefix}.{word}", word.replace("_", " "))


def available() -> list[str]:
    """The codes of all languages."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


def get(lang: str = "en") -> Texts:
    """The texts of a language.

    Raises:
        UsageError: No such language.
    """
    if lang not in available():
        raise UsageError(
            "there is no such language",
            expected=", ".join(available()),
            received=repr(lang),
            fix=near(lang, available()),
        )
    return Texts(lang, importlib.import_module(f"{__name__}.{lang}").MESSAGES)
