"""The reader's language. Code writes a sentence in English, `say` gives it in the reader's; see chinese.toml."""

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Literal

from tudui.style import notes_on

Language = Literal["en", "zh"]
LONGEST = 2000  # characters of a warning; received ones could take minutes to match
TAGS = {"en": "en", "zh": "zh-CN"}  # of HTML
RECORDED = ("warnings", "parts-of-warnings", "names-in-warnings")  # sections for texts with their values

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
    """Let `say` speak English until the block ends if no font can draw the reader's language."""
    with speaking(_spoken.get() if _spoken.get() == "en" or _has_font() else "en"):
        yield


def tag() -> str:
    """Return the language for HTML's `lang`."""
    return TAGS[_spoken.get()]


def say(sentence: str, **values: object) -> str:
    """Return an English sentence, in which {names} stand for values, in the reader's language.

    What chinese.toml does not have stays as it is, for example the names of losses, data and classes.
    """
    if _spoken.get() == "zh":
        sentence = chinese().get(sentence, sentence)
    return sentence.format(**values) if values else sentence


def say_recorded(warning: str) -> str:
    """Return a warning, which runs record in English, in the reader's language; one it does not know is quoted."""
    if _spoken.get() == "en":
        return warning
    return _fitting(warning, "warnings") or say("recorded in English: “{text}”", text=warning)


def _fitting(text: str, section: str) -> str | None:
    """Return the Chinese of a text by the first sentence of a section that fits it; None if none does."""
    for pattern, translation in _patterns(section) if len(text) <= LONGEST else ():
        if found := pattern.fullmatch(text):
            return translation.format(**{name: _value(name, value) for name, value in found.groupdict().items()})
    return None


def _value(name: str, value: str) -> str:
    """Return what stands for {name} in a warning: words are translated, what the user named is not."""
    if name == "warning":
        return say_recorded(value)
    if name.startswith("names"):
        return _fitting(value, "names-in-warnings") or value
    return (_fitting(value, "parts-of-warnings") or say(value)) if name.startswith("part") else value


@cache
def _patterns(section: str) -> list[tuple[re.Pattern[str], str]]:
    return [
        (re.compile(_pattern(english), re.DOTALL), translation) for english, translation in _parts()[section].items()
    ]


def _pattern(sentence: str) -> str:
    """Return a regular expression with a group for each {name}: {number...} is of digits, {part...} may be empty."""
    found, seen = "", set[str]()
    for text, name, _, _ in Formatter().parse(sentence):
        found += re.escape(text)
        if name:
            kind = r"[\d.,]+" if name.startswith("number") else ".*?" if name.startswith("part") else ".+?"
            found += f"(?P={name})" if name in seen else f"(?P<{name}>{kind})"
            seen.add(name)
    return found


@cache
def chinese() -> dict[str, str]:
    """Return the Chinese of each English sentence."""
    parts = (part for name, part in _parts().items() if name not in RECORDED)
    return {english: text for part in parts for english, text in part.items()}


@cache
def _parts() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_name("chinese.toml").read_text(encoding="utf-8"))


@cache
def _has_font() -> bool:
    letters = {letter for text in chinese().values() for letter in text if ord(letter) >= 0x2E80}
    return not notes_on(["".join(sorted(letters))])  # matplotlib's own font has the other characters
