"""Where a network is trained, and in which number format."""

from typing import Any

import torch


def device() -> Any:
    """Return the graphics card if PyTorch can use one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: Any) -> Any:
    """Return a context in which PyTorch computes in bfloat16 on this device, where that is quicker."""
    return torch.autocast(device.type, torch.bfloat16, enabled=_has_bfloat16(device))


def _has_bfloat16(device: Any) -> bool:
    """Return whether the hardware multiplies bfloat16; where it does not, float32 is quicker."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Private names, for the public `torch.cpu.get_capabilities` is younger than the oldest PyTorch we take.
    checks = (
        getattr(torch.cpu, name, bool) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return any(is_supported() for is_supported in checks)
