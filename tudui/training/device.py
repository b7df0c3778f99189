"""What this machine is, and what `auto` means on it."""

import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import tudui
from tudui.config import Config
from tudui.errors import UsageError

AUTOCAST = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_machine(config: Config) -> tuple[Config, dict[str, str]]:
    """Return the config with device, threads and precision decided, and why; UsageError where a device is absent."""
    reasons: dict[str, str] = {}
    device = config.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
        reasons["device"] = "auto: CUDA is available" if device == "cuda" else "auto: no CUDA device"
    if device.startswith("cuda"):
        count = torch.cuda.device_count()
        index = int(device.partition(":")[2] or 0)
        if index >= count:
            raise UsageError(f"--device {device}: there are {count} CUDA devices here; take --device cpu or auto")
    if device == "mps":
        if not torch.backends.mps.is_available():
            raise UsageError("--device mps: there is no MPS device here; take --device cpu or auto")
        reasons["device"] = "mps is a courtesy: Tudui has not been tested on it"
    threads = config.train.threads
    if threads == "auto":
        threads = torch.get_num_threads()
        reasons["train.threads"] = f"auto: torch's default on this machine is {threads} threads"
    precision = config.precision
    if precision == "auto":
        native = native_bf16(device)
        precision = "bf16" if native else "fp32"
        reasons["precision"] = f"auto: {device} {'computes' if native else 'does not compute'} bf16 natively"
    if precision == "fp16" and device == "cpu":
        reasons["precision"] = "fp16 has no fast backward on a CPU; bf16 is the half precision to take there"
    train = config.train.model_copy(update={"threads": threads})
    return config.model_copy(update={"device": device, "train": train, "precision": precision}), reasons


def native_bf16(device: str) -> bool:
    """Return whether the device multiplies bf16 in hardware, rather than by way of fp32."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))
    return False


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {
        "tudui": tudui.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "torchvision", "numpy")},
    }


def hardware(config: Config) -> dict[str, Any]:
    """Return what the run was computed on."""
    processor = platform.processor() or platform.machine()
    if sys.platform == "linux":
        with Path("/proc/cpuinfo").open() as lines:
            processor = next(
                (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor
            )
    gpu = torch.cuda.get_device_name(config.device) if config.device.startswith("cuda") else None
    return {
        "device": config.device, "gpu": gpu, "cpu": processor, "threads": config.train.threads,
        "precision": config.precision,
    }  # fmt: skip
