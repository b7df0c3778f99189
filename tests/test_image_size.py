"""Images of any size: cut, scaled, cached, standardised, trained on and predicted as torchvision and Pillow do it."""

import json
import subprocess
import sys
import tempfile
import zlib
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image, ImageOps
from scipy.stats import ks_2samp
from torchvision.transforms import RandomResizedCrop, v2

from tests.conftest import DIGITS, photograph, quick_config
from tudui.config import Override, load_config, parse_set
from tudui.config.schema import AugmentConfig, DataConfig
from tudui.data import Dataset, Source, Split, _scaled, draw_epoch, load_data, read_source
from tudui.data.cache import LARGE, only_read
from tudui.data.decoding import decode_image
from tudui.data.digits import read_digits
from tudui.data.stream import stream
from tudui.errors import ConfigError, DataError, UsageError
from tudui.run.prepare import prepare
from tudui.tasks import Classes
from tudui.training.engine import fit, fit_together, predict
from tudui.training.step import Training
from tudui.weights import read_weights


def pictures(number: int, height: int, width: int) -> torch.Tensor:
    """Real digits as photographs of this size, uint8 [number, 3, height, width]."""
    scaled = [np.asarray(photograph(one).resize((width, height))) for one in range(number)]
    return torch.from_numpy(np.stack(scaled)).permute(0, 3, 1, 2).contiguous()


def split_of(store: torch.Tensor) -> Split:
    rows = torch.arange(len(store))
    return Split(store, rows, rows % 2, rows)


@pytest.mark.parametrize("share", [(0.08, 1.0), (0.5, 0.6), (0.9, 1.0), (1.0, 1.0)])
def test_crops_are_distributed_as_torchvisions(share):
    """On an image so large that its rounding to pixels does not matter."""
    side, n = 100_000, 3000
    ours = draw_epoch(n, seed=1, epoch=0, data=DataConfig(augment=AugmentConfig(crop=share))).crops.double().numpy()
    torch.manual_seed(0)
    image = torch.empty(1, 1, 1).expand(1, side, side)
    theirs = np.array([RandomResizedCrop.get_params(image, share, (3 / 4, 4 / 3)) for _ in range(n)]) / side
    for name, of in {
        "area": lambda crop: crop[:, 2] * crop[:, 3],
        "aspect": lambda crop: crop[:, 3] / crop[:, 2],
        "top": lambda crop: crop[:, 0],
        "left": lambda crop: crop[:, 1],
        "bottom": lambda crop: crop[:, 0] + crop[:, 2],
        "whole": lambda crop: (crop[:, 2:] == 1).all(1).astype(float),
    }.items():
        assert ks_2samp(of(ours).round(4), of(theirs).round(4)).pvalue > 1e-3, name
    assert (ours[:, :2] >= 0).all()
    assert (ours[:, :2] + ours[:, 2:] <= 1 + 1e-6).all()


@pytest.mark.parametrize("size", [(32, 32), (96, 96), (20, 48)])
def test_a_crop_is_enlarged_as_torchvision_does_it(size):
    store, config = pictures(40, *size), DataConfig(augment=AugmentConfig(crop=(0.3, 1.0), flip=True, shift=2))
    drawn = draw_epoch(40, seed=0, epoch=0, data=config)
    scale = torch.tensor([size[0], size[1]] * 2)
    boxes = (drawn.crops * scale).round()  # whole pixels, which torchvision has
    drawn.crops.copy_(boxes / scale)
    images, targets = drawn.batch(split_of(store), 0, 40)
    assert images.dtype == torch.uint8
    assert torch.equal(targets, drawn.order % 2)
    for image, source, box, flip, (down, right) in zip(
        images, store[drawn.order], boxes.int().tolist(), drawn.flips, drawn.shifts.tolist(), strict=True
    ):
        enlarged = v2.functional.resized_crop(source, *box, size=list(size), antialias=True)
        moved = torch.nn.functional.pad(enlarged, (2, 2, 2, 2))[:, down : down + size[0], right : right + size[1]]
        expected = moved.flip(2) if flip else moved
        # torchvision does not see the pixels beyond the crop, which matters at its edge alone
        margin = 2 + max(-(-size[0] // box[2]), -(-size[1] // box[3]))
        inside = (slice(None), slice(margin, -margin), slice(margin, -margin))
        assert (image[inside].int() - expected[inside].int()).abs().max() <= 1


def test_a_crop_of_the_whole_changes_nothing():
    store = pictures(8, 31, 45)
    drawn = draw_epoch(8, seed=0, epoch=0, data=DataConfig(augment=AugmentConfig(crop=(0.2, 1.0))))
    drawn.crops.copy_(torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(8, 4))
    assert torch.equal(drawn.batch(split_of(store), 0, 8)[0], store[drawn.order])


def test_crops_are_new_in_each_epoch_and_change_nothing_else():
    augment = {"flip": True, "shift": 2}
    plain = draw_epoch(100, seed=0, epoch=3, data=DataConfig(augment=AugmentConfig(**augment)))
    config = DataConfig(augment=AugmentConfig(crop=(0.5, 1.0), **augment))
    first, again, other = (draw_epoch(100, seed=0, epoch=epoch, data=config) for epoch in (3, 3, 4))
    for name in ("order", "flips", "shifts"):
        assert torch.equal(getattr(plain, name), getattr(first, name))
    assert torch.equal(first.crops, again.crops)
    assert len(torch.cat([first.crops, other.crops]).unique(dim=0)) == 200


@pytest.mark.parametrize("crop", ["[0.9, 0.5]", "[0, 1]", "[0.5, 1.5]", "[0.5]", "0.5"])
def test_a_crop_is_two_shares_in_order(crop):
    with pytest.raises(ConfigError, match=r"data\.augment\.crop"):
        load_config(None, [parse_set(f"data.augment.crop={crop}")])


@pytest.mark.parametrize(("size", "most"), [("8", 4), ("null", 16), ("224", 112)])
def test_a_shift_is_at_most_half_the_size(size, most):
    settings = [f"data.size={size}", "network=linear", "optimizer.lr=0.1"]
    assert load_data(quick_config(*settings, f"data.augment.shift={most}").data, 0)
    with pytest.raises(UsageError, match=f"use at most {most}$"):
        load_data(quick_config(*settings, f"data.augment.shift={most + 1}").data, 0)


SIDES = (32, 64, 96, 224)
LINEAR = ("network=linear", "optimizer.lr=0.01", "train.batch_size=8")


def photo(number: int, height: int, width: int) -> Image.Image:
    """Real digits in grey and colours with fine detail, so that aliasing would show."""
    noise = np.random.default_rng(number).integers(0, 20, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(np.asarray(photograph(number).resize((width, height))) // 2 + noise)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("original", [(300, 300), (50, 50), (224, 224), (240, 331), (90, 64)])
def test_an_image_file_is_scaled_as_torchvision_and_pillow_do_it(side, original, tmp_path):
    image = photo(3, *original)
    image.save(tmp_path / "image.png")
    ours = decode_image(tmp_path / "image.png", (side, side)).astype(int)
    theirs = v2.Compose([v2.Resize(side), v2.CenterCrop(side)])(image)
    difference = np.abs(ours - np.asarray(theirs).transpose(2, 0, 1))
    if original[0] == original[1]:
        assert difference.max() == 0
    else:  # torchvision scales and cuts at whole pixels; Pillow's fit scales the very centre
        assert difference.mean() < 3
        exact = ImageOps.fit(image, (side, side), Image.Resampling.BILINEAR)
        assert np.array_equal(ours, np.asarray(exact).transpose(2, 0, 1))


@pytest.mark.parametrize("side", SIDES)
def test_a_large_jpeg_is_decoded_smaller_with_little_difference(side, tmp_path):
    photograph(5).resize((1500, 1200), Image.Resampling.BICUBIC).save(tmp_path / "image.jpg", quality=95)
    with Image.open(tmp_path / "image.jpg") as image:
        whole = ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.BILINEAR)
    difference = np.abs(decode_image(tmp_path / "image.jpg", (side, side)) - np.asarray(whole, int).transpose(2, 0, 1))
    assert difference.mean() < 1
    assert difference.max() < 20


@pytest.mark.parametrize("side", SIDES)
def test_named_sets_are_scaled_and_standardised_as_torchvision_does_it(side):
    data = load_data(DataConfig(size=side, validation=0.0), 0)
    small = read_digits(DataConfig()).store
    theirs = v2.functional.resize(small, [side, side], antialias=True)
    assert torch.equal(data.train.store, theirs)
    pillow = np.asarray(Image.fromarray(small[7].permute(1, 2, 0).numpy()).resize((side, side), Image.BILINEAR))
    assert np.abs(theirs[7].permute(1, 2, 0).numpy().astype(int) - pillow).max() <= 1
    pixels = theirs[data.train.rows].double() / 255
    mean, std = pixels.mean((0, 2, 3)).tolist(), pixels.std((0, 2, 3), correction=0).tolist()
    assert data.preparation.mean == pytest.approx(mean, rel=1e-9)
    assert data.preparation.std == pytest.approx(std, rel=1e-9)
    prepare = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)])
    assert torch.allclose(data.preparation(data.test.images[:50]), prepare(data.test.images[:50]), atol=1e-5)


@pytest.mark.parametrize("size", [(40, 64), (64, 41), (20, 90)])
def test_images_that_are_no_squares_keep_their_centre(size):
    """A set of another package may have any size."""
    store = torch.stack([torch.from_numpy(np.array(photo(one, *size))).permute(2, 0, 1) for one in range(4)])
    source = Source(store, torch.arange(4) % 2, Classes(names=("a", "b")), {"train": torch.arange(4)})
    theirs = v2.Compose([v2.Resize(32), v2.CenterCrop(32)])(store)
    assert torch.equal(_scaled(source, DataConfig(size=32)).store, theirs)


@pytest.fixture
def squares(tmp_path) -> Path:
    """40 pictures of 120 x 120 in two classes, which torchvision and Tudui scale to the same bytes."""
    for number in range(40):
        folder = tmp_path / "squares" / ("even" if DIGITS.target[number] % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        photo(number, 120, 120).save(folder / f"{number:02}.png")
    return tmp_path / "squares"


@pytest.mark.parametrize("side", SIDES)
def test_a_run_at_any_size_is_predicted_as_torchvision_prepares_it(side, squares, tudui):
    folder, flags = f"folder:{squares}", [flag for one in LINEAR for flag in ("--set", one)]
    trained = tudui(
        "train", "--data", folder, "--size", side, "-e", 1, "--run-dir", "run", "--set", "device=cpu", *flags
    )
    assert trained.code == 0, trained.err
    weights = read_weights(Path("run"))
    assert weights.shape.input == (3, side, side)
    data = load_data(DataConfig(name=folder, size=side), 0)
    prepare = v2.Compose(
        [
            v2.Resize(side), v2.CenterCrop(side), v2.ToImage(), v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(weights.preparation.mean, weights.preparation.std),
        ]
    )  # fmt: skip

    def probabilities(path: Path) -> list[float]:
        with Image.open(path) as image, torch.inference_mode():
            return weights.model()(prepare(image)[None]).softmax(1)[0].tolist()

    with np.load("run/predictions.npz") as file:
        recorded = dict(zip(file["index"].tolist(), file["probabilities"].tolist(), strict=True))
    for row, found in recorded.items():
        assert found == pytest.approx(probabilities(Path(data.files[row])), abs=1e-3)  # float16
    predicted = tudui("predict", "run", squares, "--json").json()["predictions"]
    assert len(predicted) == 40
    for one in predicted:
        found = {row["name"]: row["probability"] for row in one["classes"]}
        assert [found[name] for name in weights.class_names] == pytest.approx(probabilities(one["image"]), abs=1e-5)
    scored = tudui("evaluate", "run", "--json").json()
    assert scored["accuracy"] == json.loads(Path("run/result.json").read_text())["test"]["accuracy"]


def test_weights_alone_are_scored_and_exported_at_their_own_size(squares, tudui):
    flags = [flag for one in (*LINEAR, "device=cpu") for flag in ("--set", one)]
    tudui("train", "--data", f"folder:{squares}", "--size", 96, "-e", 1, "--run-dir", "run", *flags)
    for format in ("safetensors", "onnx"):
        exported = tudui("export", "run", "--format", format, "--out", f"model.{format}")
        assert exported.code == 0, exported.err
        assert "Its input is 96 x 96 pixels" in Path(f"model.{format}.md").read_text()
    own = tudui("evaluate", "run", "--json").json()
    other = tudui("evaluate", "model.safetensors", "--data", f"folder:{squares}", "--json").json()
    assert (other["images"], other["accuracy"], other["loss"]) == (own["images"], own["accuracy"], own["loss"])
    image = min(squares.rglob("*.png"))
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"images": decode_image(image, (96, 96))[None]})
    ours = {
        row["name"]: row["probability"]
        for row in tudui("predict", "run", image, "--json").json()["predictions"][0]["classes"]
    }
    assert found[0].tolist() == pytest.approx([ours["even"], ours["odd"]], abs=1e-4)


OWN_NETWORK = """
from torch import nn

class Course(nn.Sequential):
    def __init__(self, outputs):
        pooled = [nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(8), nn.Flatten()]
        super().__init__(*pooled, nn.Linear(4 * 4 * 4, outputs))
"""


@pytest.mark.parametrize(
    ("network", "size", "fits"),
    [
        ("tudui", 64, "use --size 32, or another network"),
        ("fixed.py:Course", 64, "; --size 32 fits"),
        ("torchvision:squeezenet1_1", 8, "; --size 32 fits"),
        ("torchvision:vit_b_16", 72, "; use --size 64, a multiple of its patches of 16 pixels"),
        ("torchvision:vit_b_32", 8, "; use --size 32, a multiple of its patches of 32 pixels"),
    ],
)
def test_a_network_of_one_size_names_it(network, size, fits, tudui):
    Path("fixed.py").write_text(OWN_NETWORK)
    answer = tudui("train", "--network", network, "--size", size, "--set", "optimizer.lr=0.01", "--dry-run")
    assert answer.code == 2
    (line,) = answer.err.splitlines()
    assert line.endswith(fits)


def test_sizes_do_not_mix_in_the_cache(squares):
    for side in (32, 64, 32, 64):
        data = load_data(DataConfig(name=f"folder:{squares}", size=side), 0)
        assert data.shape.input == (3, side, side)
        row = int(data.test.rows[0])
        assert np.array_equal(data.test.images[0].numpy(), decode_image(Path(data.files[row]), (side, side)))
    assert len(list(Path("cache/folders").iterdir())) == 2


def many_squares(folder: Path, number: int) -> str:
    """Links to the same pictures, one of which cannot be read, so that the set is large."""
    for path in folder.rglob("*.png"):
        for copy in range(number // 40):
            (path.parent / f"{path.stem}-{copy}.png").hardlink_to(path)
        path.unlink()
    (folder / "odd" / "torn.png").write_bytes(b"no image")
    return f"folder:{folder}"


def test_a_dry_run_reads_the_cache_and_writes_none(squares):
    config = DataConfig(name=f"folder:{squares}", size=16)
    with only_read():
        fresh = read_source(config).store
    assert not Path("cache/folders").exists()
    stored = read_source(config).store
    assert torch.equal(fresh, stored)
    (folder,) = Path("cache/folders").iterdir()
    images = np.load(folder / "images.npy")
    images[0] ^= 255  # what is read now is from the cache
    described = json.loads((folder / "description.json").read_text())
    described["shape and crc32"][-1] = zlib.crc32(images.tobytes())
    np.save(folder / "images.npy", images)
    (folder / "description.json").write_text(json.dumps(described))
    with only_read():
        assert torch.equal(read_source(config).store[0], stored[0] ^ 255)


@pytest.mark.parametrize("cache", [True, False])
def test_a_large_folder_is_mapped_and_the_same_as_image_by_image(cache, squares, capfd):
    config = DataConfig(name=many_squares(squares, 400), size=512, cache=cache, on_bad_image="skip")
    for again in range(2):
        source = read_source(config)
        assert source.store.shape == (400, 3, 512, 512)
        assert source.store.numel() > LARGE
        for row in (0, 7, 250, 399):
            assert np.array_equal(source.store[row].numpy(), decode_image(Path(source.files[row]), (512, 512)))
        says = capfd.readouterr().err
        assert ("401 images of 512 x 512 pixels take 0.3 GB in " in says) == (not again or not cache)
        assert list(source.unreadable) == ["odd/torn.png"]
        assert [note for note in source.notes if "decoded again" in note] == []
    found = list(Path("cache").rglob("images.npy"))
    assert len(found) == cache
    assert not list(Path("cache").rglob(".writing-*"))
    if cache:
        assert np.array_equal(np.load(found[0], mmap_mode="r")[::80], source.store[::80].numpy())
    with pytest.raises(DataError, match="1 of 401 images cannot be read"):
        read_source(config.model_copy(update={"on_bad_image": "refuse"}))


OWN_LIMIT = """
import re, resource, runpy
from pathlib import Path
import torch, torchvision.transforms.v2
data = 1024 * int(re.search(r"VmData:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
resource.setrlimit(resource.RLIMIT_DATA, (data + 450_000_000,) * 2)
try:
    bytearray(552_000_000)
except MemoryError:
    runpy.run_module("tudui", run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts other memory elsewhere")
@pytest.mark.parametrize("cache", ["true", "false"])
def test_a_set_larger_than_memory_is_trained_on(cache):
    """digits at 320 x 320 are 552 MB, the process may use 450."""
    flags = ("--data", "digits", "--size", "320", "-e", "1", "-b", "8", "--run-dir", "run", "--set", "device=cpu")
    settings = (*LINEAR[:2], f"data.cache={cache}", "log.sinks=[]", "log.details_every=2", "optimizer.momentum=0")
    command = [sys.executable, "-c", OWN_LIMIT, "train", *flags, *(f"--set={one}" for one in settings)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("1,797 images of 320 x 320 pixels take 0.6 GB in ") == 1
    assert json.loads(Path("run/result.json").read_text())["status"] == "finished"
    assert len(list(Path("cache").rglob("images.npy"))) == (cache == "true")


def test_a_disk_that_is_too_small_is_said_before_decoding(squares, tudui, monkeypatch):
    """A limit of the file system; the small set in the same place needs no file."""
    small = Path("small")
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "none", small], check=False).returncode:
        pytest.skip("a file system can only be mounted by root")
    try:
        monkeypatch.setenv("TUDUI_CACHE", str(small.absolute()))
        monkeypatch.setattr(tempfile, "tempdir", str(small.absolute()))
        answer = tudui("train", "--size", "256", *(f"--set={one}" for one in LINEAR))
        assert answer.code == 6
        (line,) = answer.err.splitlines()
        assert "1,797 images of 256 x 256 pixels take 0.4 GB, 0.0 GB are free; set TMPDIR to a folder" in line
        config = DataConfig(name=f"folder:{squares}", size=512)
        assert any("take 0.0 GB, 0.0 GB are free; set TUDUI_CACHE" in note for note in read_source(config).notes)
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)


def test_data_check_reports_the_original_sizes(tudui):
    for number, (height, width) in enumerate([(40, 90), (100, 100), (200, 400), (300, 200), (120, 150)]):
        folder = Path("photos", "ab"[number % 2])
        folder.mkdir(parents=True, exist_ok=True)
        photo(number, height, width).save(folder / f"{number}.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    photo(5, 64, 300).save("photos/b/turned.jpg", exif=exif)
    Path("photos/b/torn.png").write_bytes(b"no image")
    answer = tudui("data", "check", "photos", "--size", 96, "--json")
    assert answer.code == 3  # for the torn image
    sizes = answer.json()["sizes"]
    heights, widths = [40, 100, 200, 300, 120, 300], [90, 100, 400, 200, 150, 64]
    assert sizes["size"] == [96, 96]
    assert sizes["heights"] == [40, round(np.median(heights)), 300]
    assert sizes["widths"] == [64, round(np.median(widths)), 400]
    assert sizes["smaller"] == pytest.approx(2 / 6)
    shorter = np.minimum(heights, widths)
    assert sizes["cut"] == pytest.approx(np.median(1 - shorter**2 / (np.array(heights) * widths)))
    assert sizes["pixels"] == pytest.approx(np.median((shorter / 96) ** 2))
    Path("photos/b/torn.png").unlink()
    text = tudui("data", "check", "photos", "--size", 96).out
    assert "height 40 to 300 pixels (median 160), width 64 to 400 (125)" in text
    assert "at 96 x 96 pixels, 33 % of the images are smaller" in text


@pytest.mark.parametrize(("size", "smaller"), [((), 0.0), (("--size", 64), 1.0), (("--size", 16), 0.0)])
def test_data_check_of_a_named_set(size, smaller, tudui):
    sizes = tudui("data", "check", "digits", *size, "--json").json()["sizes"]
    side = size[1] if size else 32
    expected = {"size": [side] * 2, "heights": [32] * 3, "widths": [32] * 3, "cut": 0.0, "pixels": (32 / side) ** 2}
    assert sizes == expected | {"smaller": smaller}


def streamed(data: Dataset) -> Dataset:
    """The same data, whose images stay where they are and are sent batch by batch."""
    return replace(data, **{name: replace(split, streamed=True) for name, split in data.splits().items()})


AUGMENTED = ("data.augment={flip: true, shift: 2, crop: [0.5, 1]}", "train.drop_last=false", "train.batch_size=60")


def weights_after(trainings: list[Training]) -> list[torch.Tensor]:
    return [parameter.detach().clone() for one in trainings for parameter in one.state.network.model.parameters()]


@pytest.mark.parametrize("settings", [(), AUGMENTED], ids=["plain", "augmented"])
def test_images_that_are_streamed_train_and_score_the_same_bit_for_bit(settings):
    """On a CPU the thread reads, but sends nothing; also if the run is resumed within an epoch, or not alone."""
    config = quick_config(*settings)
    data = load_data(config.data, 0)
    ours, theirs = prepare(config, streamed(data)), prepare(config, data)
    for one in (ours, theirs):
        events = fit(one.state, one.data, one.loss, one.config)
        for _ in range(3):
            last = next(events)
        assert not last.epoch_done
        saved = deepcopy(one.state.state_dict())
        events.close()
        again = prepare(config, one.data)
        again.state.load_state_dict(saved)
        one.state = again.state
        assert [event.step for event in fit(one.state, one.data, one.loss, one.config)][-1] == one.state.steps_planned
    assert all(map(torch.equal, weights_after([ours]), weights_after([theirs])))
    found = [predict(ours.state.network, split) for split in (streamed(data).test, data.test)]
    assert torch.equal(*found)
    assert len(found[0]) == len(data.test)


def test_runs_in_lockstep_are_streamed_each_in_its_order():
    configs = [quick_config(f"seed={seed}", "train.epochs=1", "train.drop_last=false") for seed in (0, 1)]
    data = [load_data(config.data, config.seed) for config in configs]
    both = [prepare(config, streamed(one)) for config, one in zip(configs, data, strict=True)]
    alone = [prepare(config, one) for config, one in zip(configs, data, strict=True)]
    assert len(list(fit_together(both))) > 0
    for one in alone:
        for _ in fit(one.state, one.data, one.loss, one.config):
            pass
    assert all(map(torch.equal, weights_after(both), weights_after(alone)))


def test_an_error_while_images_are_read_reaches_the_loop():
    store = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    batches = stream(store, [torch.tensor([0]), torch.tensor([4])], store.device)
    assert next(batches).shape == (1, 3, 8, 8)
    with pytest.raises(IndexError):
        next(batches)


OWN_DATA = """
import numpy as np
from PIL import Image
from torch.utils.data import Dataset

SIZES = [(40, 90), (64, 64), (200, 120), (31, 80)]
GENERATOR = np.random.default_rng(0)
IMAGES = [GENERATOR.integers(0, 255, (*SIZES[n % 4], 3), dtype=np.uint8) for n in range(40)]

def arrays():
    return IMAGES, [n % 2 for n in range(40)]

class Photos(Dataset):
    classes = ["a", "b"]
    read = 0

    def __len__(self):
        return 40

    def __getitem__(self, index):
        Photos.read += 1
        if Photos.read > 40:
            raise RuntimeError("read twice")
        return Image.fromarray(IMAGES[index]), index % 2
"""


@pytest.mark.parametrize("name", ["arrays", "Photos"])
def test_own_images_of_several_sizes_are_scaled_as_those_of_folders(name, tudui):
    Path("own.py").write_text(OWN_DATA)
    config = load_config(None, [Override("data.name", f"own.py:{name}", "--data"), parse_set("data.size=48")]).config
    source = read_source(config.data)
    made: dict = {}
    exec(OWN_DATA, made)
    for row, image in zip(source.store, made["IMAGES"], strict=True):
        expected = ImageOps.fit(Image.fromarray(image), (48, 48), Image.Resampling.BILINEAR)
        assert np.array_equal(row.permute(1, 2, 0).numpy(), np.asarray(expected))
    assert list(source.sizes) == [image.shape[:2] for image in made["IMAGES"]]
    assert source.targets.tolist() == [0, 1] * 20
    if name == "arrays":
        sizes = tudui(
            "data", "check", Path("own.py").absolute().with_name("own.py:arrays"), "--size", 48, "--json"
        ).json()
        assert (sizes["sizes"]["heights"], sizes["sizes"]["smaller"]) == ([31, 52, 200], 0.5)
        answer = tudui("train", "--data", "own.py:arrays", "--dry-run")
        assert answer.code == 3
        assert "images of different sizes" in answer.err
        assert "--size" in answer.err
