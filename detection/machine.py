"""What this machine's processor can do, and a name for it under which measurements are remembered."""

import hashlib
import os
import platform
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def processor() -> tuple[str, frozenset[str]]:
    """Return the processor's name and its feature flags, as Linux lists them; no flags are known elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    fields: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = fields.get("flags", fields.get("Features", ""))
    return fields.get("model name", platform.machine()), frozenset(flags.split())


def has_bfloat16() -> bool:
    """Whether it multiplies bfloat16 in hardware (AVX-512 BF16 or AMX; ARMv8.6)."""
    return bool(processor()[1] & {"avx512_bf16", "amx_bf16", "bf16"})


def has_int8() -> bool:
    """Whether it sums products of eight bits without overflow in between (VNNI or AMX; ARM's dot product)."""
    return bool(processor()[1] & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"})


def machine_key(*versions: str) -> str:
    """Return a name for this processor, the number of its cores, and the versions of what runs on it."""
    name, flags = processor()
    told = "\n".join([name, " ".join(sorted(flags)), str(os.cpu_count()), *versions])
    return hashlib.sha256(told.encode()).hexdigest()[:12]
