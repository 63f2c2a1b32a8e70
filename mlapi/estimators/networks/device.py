"""Where a network is trained, and in which numbers."""

from typing import Any

import torch


def device() -> Any:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: Any) -> Any:
    """A context in which a network computes in bfloat16, where that is quicker."""
    return torch.autocast(device.type, torch.bfloat16, enabled=_has_bfloat16(device))


def _has_bfloat16(device: Any) -> bool:
    """Whether it multiplies such numbers itself: where it does not, converting is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Private names, for the public `torch.cpu.get_capabilities` is younger than the oldest PyTorch we take.
    known = (
        getattr(torch.cpu, name, bool) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return any(supported() for supported in known)
