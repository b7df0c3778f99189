"""What `auto` means on this machine."""

import torch

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
        reasons["train.threads"] = f"auto: torch's default on this machine is {threads}"
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
