"""Where a network is trained, and in which numbers."""

from typing import Any

import torch


def device() -> Any:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: Any) -> Any:
    """A context in which a network computes in bfloat16, where that is quicker."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda" or has_bfloat16())


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16; elsewhere converting is slower than float32."""
    known = (
        getattr(torch.cpu, name, bool) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return any(supported() for supported in known)
