"""Tutorial and FAQ: every command shown prints what is shown, every picture is one that a command writes."""

import re

import pytest

from scripts.make_docs import DRAWN, FAQ, REPORTS, TUTORIAL, chinese, run, shown, trains

TEXT = TUTORIAL.read_text(encoding="utf-8")
COMMANDS = list(shown(TEXT))
ALL_COMMANDS = COMMANDS + list(shown(FAQ.read_text(encoding="utf-8")))
QUICK_COMMANDS = [it for it in ALL_COMMANDS if not trains(it[0])]  # the others are run in test_docs.py
PICTURE = re.compile(r"!\[[^\]]+\]\(([^)]+)\)")
HEADING = re.compile(r"^#+ ", re.MULTILINE)
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.])")


def numbers(text: str) -> list[float]:
    return [float(number.replace(",", "")) for number in NUMBER.findall(text)]


def last_digit(number: str) -> float:
    """The value of a number's last digit as it is printed: 0.01 for 0.25, 1e-06 for 9e-06."""
    mantissa, _, exponent = number.replace(",", "").partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def assert_same(printed: str, expected: str) -> None:
    """Words are equal; numbers differ by no more than rounding, or what another CPU rounds otherwise."""

    def words(text: str) -> str:
        return " ".join(NUMBER.sub("#", text).split())

    assert words(printed) == words(expected)
    for our_line, their_line in zip(printed.split("\n"), expected.split("\n"), strict=True):
        about_rounding = ("off by", "relative difference", "difference from autograd")
        rounding_alone = any(text in their_line for text in about_rounding)
        texts = NUMBER.findall(their_line)
        for text, ours, theirs in zip(texts, numbers(our_line), numbers(their_line), strict=True):
            whole = text.replace(",", "").lstrip("+-").isdigit()
            apart = 0 if whole else max(1.01 * last_digit(text), 1e-5 if rounding_alone else 0)
            assert ours == pytest.approx(theirs, rel=0 if whole else 1e-3, abs=apart), their_line


@pytest.mark.parametrize(("command", "output"), QUICK_COMMANDS, ids=[command for command, _ in QUICK_COMMANDS])
def test_a_command_prints_what_is_shown(command, output, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert output
    assert_same(run(command), output)


def test_every_picture_is_there_and_written_by_a_command():
    pictures = PICTURE.findall(TEXT)
    assert len(pictures) >= 7
    outs = [match for command, _ in COMMANDS for match in re.findall(r"--out docs/(\S+)", command)]
    outs += [f"pictures/{name}" for drawn in (*DRAWN.values(), *REPORTS.values()) for name in drawn.values()]
    for picture in pictures:
        assert (TUTORIAL.parent / picture).read_bytes().startswith(b"\x89PNG")
        assert any(picture == out or picture.startswith(f"{out}/") for out in outs), picture


@pytest.mark.parametrize("number", ["0.6667", "2.0000", "1.3333", "1.1019"])
def test_the_tutorials_numbers_are_shown(number):
    assert any(number in output for _, output in COMMANDS)


def test_the_comparison_can_fail():
    assert_same("loss 0.6667 at step 20", "loss 0.6668 at step 20")
    with pytest.raises(AssertionError):
        assert_same("norm 9.9e-06", "norm 3.4e-10")
    for wrong in ("loss 0.6767 at step 20", "loss 0.6667 at step 21", "cost 0.6667 at step 20"):
        with pytest.raises(AssertionError):
            assert_same(wrong, "loss 0.6667 at step 20")


def test_a_page_is_renewed_block_by_block():
    from scripts.make_docs import renewed

    page = "a\n```console\n$ tudui x\nold\n$ tudui y\n```\nb\n```text\n$ tudui z\n```\n"
    assert renewed(page, lambda command: f"new {command}\n") == (
        "a\n```console\n$ tudui x\nnew tudui x\n$ tudui y\nnew tudui y\n```\nb\n```text\n$ tudui z\n```\n"
    )


def test_the_chinese_tutorial_shows_the_same():
    text = chinese(TUTORIAL).read_text(encoding="utf-8")
    assert list(shown(text)) == COMMANDS
    assert PICTURE.findall(text) == PICTURE.findall(TEXT)
    assert HEADING.findall(text) == HEADING.findall(TEXT)
    assert set(re.findall(r"`(tudui [^`]+)`", text)) == set(re.findall(r"`(tudui [^`]+)`", TEXT))
