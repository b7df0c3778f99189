"""The machine: what `auto` means on it, and its versions and hardware."""

import ctypes
import os
import platform
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import tudui
from tudui.config import Config
from tudui.errors import UsageError
from tudui.text import in_a_line

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
AUTOCAST = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_machine(config: Config) -> tuple[Config, dict[str, str]]:
    """Return the config with device, threads and precision resolved, and why; UsageError if a device is missing."""
    reasons: dict[str, str] = {}
    device = config.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
        reasons["device"] = "auto: CUDA is available" if device == "cuda" else "auto: no CUDA device"
    if device.startswith("cuda"):
        count = torch.cuda.device_count()
        index = int(device.partition(":")[2] or 0)
        if index >= count:
            raise UsageError(f"--device {device}: there are {count} CUDA devices here; use --device cpu or auto")
        if (processes := int(os.environ.get("LOCAL_WORLD_SIZE", "1"))) > 1 and (":" in device or processes > count):
            raise UsageError(
                f"--device {device}: {processes} processes need one GPU each, this machine has {count}; "
                f"use --device cuda with at most {count} processes, or --device cpu"
            )
    if device == "mps":
        if not torch.backends.mps.is_available():
            raise UsageError("--device mps: there is no MPS device here; use --device cpu or auto")
        reasons["device"] = "mps: Tudui is not tested on this device"
    threads = config.train.threads
    if threads == "auto":
        threads = torch.get_num_threads()
        reasons["train.threads"] = f"auto: torch's default on this machine is {threads} threads"
    precision = config.precision
    if precision == "auto":
        native = native_bf16(device)
        precision = "bf16" if native else "fp32"
        place = "this GPU" if device.startswith("cuda") else "this processor"
        reasons["precision"] = f"auto: {place} has {native or 'no native bf16'}"
    if precision == "fp16" and device == "cpu":
        reasons["precision"] = "fp16 is slow on a CPU; use bf16 there"
    train = config.train.model_copy(update={"threads": threads})
    return config.model_copy(update={"device": device, "train": train, "precision": precision}), reasons


def set_up(config: Config) -> None:
    """Set this process to the threads, device and determinism of a resolved config."""
    torch.set_num_threads(int(config.train.threads))
    keep_memory()
    device = torch.device(config.device)
    if device.type != "cuda":
        return
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) if device.index is None else device.index)
    torch.backends.cudnn.benchmark = not config.deterministic
    torch.backends.cudnn.deterministic = config.deterministic
    torch.use_deterministic_algorithms(config.deterministic, warn_only=True)
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
        # its windows do not overlap in the course's network, so its backward adds one number per pixel
        warnings.filterwarnings("ignore", message=r"max_pool2d\w* does not have a deterministic implementation")


def keep_memory() -> None:
    """Keep freed memory in this process, if the C library is glibc.

    A step frees tens of megabytes that the next one allocates again. By default glibc returns them to the system
    each time, and new pages cost up to a third of a step (docs/performance.md).
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    # older versions allow at most half an arena; the trim threshold alone would make it slower
    if mallopt and (mallopt(M_MMAP_THRESHOLD, 1 << 30) or mallopt(M_MMAP_THRESHOLD, 32 << 20)):
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def native_bf16(device: str) -> str:
    """Return the device's native bf16 instructions, for example `avx512_bf16`; empty if there are none."""
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else ""
    if device == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return next((name for name in ("amx_bf16", "avx512_bf16", "bf16") if capabilities.get(name)), "")
    return ""


def versions() -> dict[str, str]:
    """Return the versions of Tudui, Python and the libraries that a result depends on."""
    return {
        "tudui": tudui.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "torchvision", "numpy")},
    }


def processor_name() -> str:
    """Return the model of this machine's processor."""
    listed = Path("/proc/cpuinfo").read_text() if sys.platform == "linux" else ""
    if found := re.search(r"^model name\s*:(.*)", listed, re.MULTILINE):
        return found[1].strip()
    return platform.processor() or platform.machine()


def hardware(config: Config) -> dict[str, Any]:
    """Return the device, its names, threads and precision of a run."""
    gpu = torch.cuda.get_device_name(config.device) if config.device.startswith("cuda") else None
    return {
        "device": config.device, "gpu": gpu, "cpu": processor_name(), "threads": config.train.threads,
        "precision": config.precision,
    }  # fmt: skip


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn a GPU's out-of-memory error into a UsageError that says how to use less."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UsageError(
            f"the GPU's memory is full ({in_a_line(error)}); use a smaller --batch-size or fewer --jobs, "
            f"or stop other processes on it (nvidia-smi lists them)"
        ) from None
