"""Names in any script are drawn with a font that has their characters; if there is none, a note says so once."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib import font_manager

from tests.conftest import photograph
from tudui import style
from tudui.lab.pictures import save_picture
from tudui.report.drawing import new_picture, png
from tudui.sinks.pictures import confusion_picture, prediction_grid

SCRIPTS = [("猫狗", "鸟鱼"), ("кот", "пёс"), ("γάτα", "σκύλ"), ("小猫 cat", "小狗 cat")]


@pytest.fixture(params=SCRIPTS, ids=["Chinese", "Russian", "Greek", "mixed"])
def names(request):
    if style.notes_on(request.param):
        pytest.skip("no installed font has these characters, for example: apt-get install fonts-wqy-zenhei")
    return request.param


def differ(draw, names) -> bool:
    """Whether pictures of two names of the same length differ; boxes do not."""
    first, second = map(draw, names)
    return first.shape != second.shape or bool((first != second).any())


def test_pictures_of_tensorboard(names):
    image = np.zeros((1, 3, 32, 32), dtype=np.uint8)
    assert differ(lambda name: confusion_picture([[1, 0], [0, 1]], (name, "a")), names)
    assert differ(lambda name: prediction_grid(image, [0], [0], (name, "a")), names)


def test_pictures_of_the_report_and_the_lab(names, tmp_path):
    def drawn(name: str):
        figure, axes = new_picture()
        axes.plot([0, 1], [0, 1], label=name)
        axes.set_xticks([0], [name])
        axes.legend()
        return figure

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = (png(drawn(name)) for name in names)
        save_picture(drawn(names[0]), tmp_path / "picture.svg")
    assert first != second


def test_names_without_a_font_are_noted_once(tmp_path, tudui, monkeypatch):
    monkeypatch.setattr(style, "_fonts", lambda: [font_manager.findfont("DejaVu Sans")])
    style._font_for.cache_clear()
    for number in range(20):
        folder = Path("pictures", "猫" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        photograph(number).save(folder / f"{number}.png")
    try:
        answer = tudui("train", "--data", "folder:pictures", "-b", 4, "-e", 1, "-o", "run")
    finally:
        style._font_for.cache_clear()
    assert answer.code == 0
    said = answer.out + answer.err
    assert said.count("pictures show boxes") == 1
    assert "猫" in said
    assert "findfont" not in said
