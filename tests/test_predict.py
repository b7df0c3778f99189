"""`tudui predict`: pictures and folders of them, as a table, CSV and JSON."""

import codecs
import csv
import io
import json
import os
from pathlib import Path

import pytest
import torch

from tests.conftest import photograph, tudui_network
from tests.test_networks import course_network
from tudui.data.decoding import decode_image
from tudui.weights import read_weights


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def digit_folders(tmp_path):
    """24 digits in folders named like their classes, below `test/`."""
    for number in range(24):
        folder = tmp_path / "digits" / "test" / str(number % 10)
        folder.mkdir(parents=True, exist_ok=True)
        photograph(number).save(folder / f"{number:02}.png")
    return tmp_path / "digits"


def test_a_picture(trained, tmp_path, tudui):
    photograph(0).save(tmp_path / "zero.png")
    (found,) = tudui("predict", trained, "zero.png", "--json").json()["predictions"]
    assert found["classes"][0]["name"] == "0"
    assert len(found["classes"]) == 3
    assert found["classes"][0]["probability"] > found["classes"][1]["probability"]
    assert "0 " in tudui("predict", trained, "zero.png").out
    assert "10." in tudui("predict", trained, "zero.png", "--top", 20).out
    (tmp_path / "bad.png").write_text("no image")
    answer = tudui("predict", trained, "zero.png", "bad.png", "missing.png")
    assert answer.code == 3
    assert "bad.png: cannot be read" in answer.err
    assert "missing.png: cannot be read: no such file; fix or delete them, or" in answer.err


def test_a_folder_is_every_picture_below_it(trained, digit_folders, tudui, monkeypatch):
    """Batches of 5, the last of 4: each picture has the class that the network gives it alone."""
    monkeypatch.setattr("tudui.inference.predict.BATCH", 5)
    (digit_folders / "test" / "notes.txt").write_text("no picture")
    (digit_folders / ".hidden.png").write_text("no picture")
    photograph(7).save("one.png")
    answer = tudui("predict", trained, "one.png", "digits", "--csv", "--top", 2)
    assert answer.code == 0, answer.err
    rows = rows_of(answer.out)
    assert list(rows[0]) == ["path", "label", "probability", "label_2", "probability_2", "true", "split"]
    paths = [Path("one.png"), *sorted(Path("digits").rglob("*/*.png"))]
    assert [row["path"] for row in rows] == [str(path) for path in paths]
    weights = read_weights(trained)
    for row, path in zip(rows, paths, strict=True):
        with torch.inference_mode():
            image = torch.tensor(decode_image(path))[None]
            probabilities = weights.model()(weights.preparation(image)).softmax(1)[0]
        assert row["label"] == str(int(probabilities.argmax()))
        assert float(row["probability"]) == pytest.approx(float(probabilities.max()), abs=1e-4)
    assert [row["true"] for row in rows] == ["", *(path.parent.name for path in paths[1:])]
    assert {row["split"] for row in rows} == {""}
    right = sum(row["label"] == row["true"] for row in rows)
    assert f"({right} of 24 images in folders named after a class)" in answer.err


def test_csv_in_a_file_and_pictures_that_cannot_be_read(trained, digit_folders, tudui):
    for number in range(12):
        (digit_folders / "test" / "3" / f"bad{number:02}.jpg").write_bytes(b"\xff\xd8\xff")
    answer = tudui("predict", trained, "digits", "--out", "found.csv")
    assert answer.code == 3
    assert answer.err.count("cannot be read: ") == 10
    assert "and 2 more cannot be read; fix or delete them, or skip them" in answer.err
    assert not list(Path().glob("found*"))
    answer = tudui("predict", trained, "digits", "--out", "found.csv", "--on-bad-image", "skip")
    assert answer.code == 0
    assert answer.err.count("note: skipped, digits/test/3/bad") == 10
    assert answer.out == "wrote found.csv\n"
    assert len(rows_of(Path("found.csv").read_text())) == 24
    for form in ((), ("--json",), ("--csv",)):  # what can be read is shown before the rest is refused
        answer = tudui("predict", trained, "digits", *form)
        assert answer.code == 3
        assert answer.out.count("digits/test/3") >= 2
    printed = tudui("predict", trained, "digits", "--csv", "--on-bad-image", "skip").out
    assert printed == Path("found.csv").read_text()


def test_what_does_not_fit_is_said(trained, tmp_path, tudui):
    (tmp_path / "empty").mkdir()
    answer = tudui("predict", trained, "empty")
    assert answer.code == 3
    assert "empty: no images in this folder" in answer.err
    answer = tudui("predict", trained, "empty", "--json", "--csv")
    assert answer.code == 2
    assert "--json: cannot be combined with --csv or --out" in answer.err
    photograph(0).save(tmp_path / "zero.png")
    answer = tudui("predict", trained, "zero.png", "-o", "nowhere/found.csv")
    assert answer.code == 6
    assert "nowhere/found.csv: cannot be written" in answer.err


def test_no_cell_is_a_formula(tmp_path, tudui):
    """Names of files and of classes, as a spreadsheet opens them."""
    names = ["=1+1", "-x", "+x", "@x", "-1", "1e5", "plain", "a,b", 'a"b', "=cmd|' /C calc'!A0"]
    content = {
        "tudui": {"format": 1, "version": "0", "origin": "x", "classes": names, "mean": [0.0] * 3, "std": [1.0] * 3},
        "state_dict": dict(zip(tudui_network(10).state_dict(), course_network().state_dict().values(), strict=True)),
    }
    torch.save(content, tmp_path / "model.pt")
    picture = tmp_path / "pictures" / "x.png"
    picture.parent.mkdir()
    photograph(0).save(picture)
    os.link(picture, tmp_path / "=2+3.png")
    os.link(picture, os.fsencode(tmp_path / "pictures") + b"/\xff\x1b[2J.png")
    answer = tudui("predict", "model.pt", "=2+3.png", "pictures", "--csv", "--top", 10)
    assert answer.code == 0, answer.err
    rows = rows_of(answer.out)
    assert [row["path"] for row in rows] == ["./=2+3.png", "pictures/x.png", "pictures/��[2J.png"]
    assert Path(rows[0]["path"]).exists()
    labels = {row[key] for row in rows for key in row if key.startswith("label")}
    assert labels == {"'=1+1", "'-x", "'+x", "'@x", "-1", "1e5", "plain", "a,b", 'a"b', "'=cmd|' /C calc'!A0"}
    assert tudui("predict", "model.pt", "pictures", "--json").code == 0
    assert tudui("predict", "model.pt", "pictures").code == 0
    assert tudui("predict", "model.pt", "pictures", "-o", "found.csv").code == 0


def test_a_split_of_the_runs_own_data_is_predicted(trained, tudui):
    """The accuracy of the table is that of result.json; each row has the true class and the split."""
    test = json.loads((trained / "result.json").read_text())["test"]["accuracy"]
    answer = tudui("predict", trained, "--split", "test", "--out", "test.csv")
    assert answer.code == 0
    rows = list(csv.DictReader(Path("test.csv").read_text().splitlines()))
    assert len(rows) == 359
    assert sum(row["label"] == row["true"] for row in rows) / 359 == pytest.approx(test)
    assert {row["split"] for row in rows} == {"test"}
    first = tudui("predict", trained, "--split", "test", "--json").json()["predictions"][0]
    assert (first["true"], first["split"]) == (rows[0]["true"], "test")
    for wrong in ((), ("--split", "test", "seven.png")):
        assert tudui("predict", trained, *wrong).code == 2


def test_chinese_names_open_in_excel(class_folders, tudui):
    class_folders.joinpath("even").rename(class_folders / "双数")
    tudui("train", "--data", f"folder:{class_folders}", "-b", "8", "-e", "1", "-q", "-o", "run")
    assert tudui("predict", "run", "--split", "all", "--out", "all.csv").code == 0
    written = Path("all.csv").read_bytes()
    assert written.startswith(codecs.BOM_UTF8)
    rows = list(csv.DictReader(written.decode("utf-8-sig").splitlines()))
    assert {(row["true"], Path(row["path"]).parent.name) for row in rows} == {("双数", "双数"), ("odd", "odd")}
    assert len(rows) == 40
    scored = tudui(
        "evaluate", "run/checkpoints/last.pt", "--data", f"folder:{class_folders}", "--split", "all", "--json"
    )
    assert scored.json()["images"] == 40
    assert scored.json()["accuracy"] == pytest.approx(sum(row["label"] == row["true"] for row in rows) / 40)
