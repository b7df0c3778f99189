"""The language of a report. Code writes a sentence in English, `say` gives it in the reader's; see chinese.toml."""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Literal

from tudui.style import notes_on

Language = Literal["en", "zh"]
TAGS = {"en": "en", "zh": "zh-CN"}  # of HTML

_spoken: ContextVar[Language] = ContextVar("spoken", default="en")


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Let `say` speak this language until the block ends."""
    before = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(before)


@contextmanager
def speaking_in_pictures() -> Iterator[None]:
    """Let `say` speak English until the block ends if no font can draw the report's language."""
    with speaking(_spoken.get() if _spoken.get() == "en" or _has_font() else "en"):
        yield


def tag() -> str:
    """Return the language for HTML's `lang`."""
    return TAGS[_spoken.get()]


def say(sentence: str, **values: object) -> str:
    """Return an English sentence, in which {names} stand for values, in the language of the report.

    What chinese.toml does not have stays as it is, for example the names of losses, data and classes.
    """
    if _spoken.get() == "zh":
        sentence = chinese().get(sentence, sentence)
    return sentence.format(**values) if values else sentence


@cache
def chinese() -> dict[str, str]:
    """Return the Chinese of each English sentence."""
    return {english: text for part in _parts().values() for english, text in part.items()}


def _parts() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_name("chinese.toml").read_text(encoding="utf-8"))


@cache
def _has_font() -> bool:
    letters = {letter for text in chinese().values() for letter in text if ord(letter) >= 0x2E80}
    return not notes_on(["".join(sorted(letters))])  # matplotlib's own font has the other characters
