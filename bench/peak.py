"""The processor's peak rate in float32, by a loop that does nothing but fused multiply-adds.

Fourteen independent sums keep both units busy through their latency of four cycles. The machine code is assembled
here, so that no compiler is needed: `vfmadd231ps reg, reg14, reg15` for AVX-512 (EVEX) or AVX2 (VEX), then `dec rdi;
jnz`.
"""

import ctypes
import mmap
import threading
import time

from detection.machine import processor

_SUMS = 14
_ITERATIONS = 8_000_000


class PeakKernel:
    """Measures how many float32 operations a second the processor does at most, on a number of threads."""

    def __init__(self) -> None:
        flags = processor()[1]
        if "fma" not in flags:
            raise NotImplementedError("the peak kernel needs an x86-64 processor with FMA")
        self.lanes = 16 if "avx512f" in flags else 8
        code = _assemble(self.lanes)
        self._memory = mmap.mmap(-1, len(code), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._memory.write(code)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._run = ctypes.CFUNCTYPE(None, ctypes.c_uint64)(address)

    def measure(self, threads: int) -> float:
        """Return operations a second (a multiply-add is two) over some 30 ms on `threads` threads at once."""
        workers = [threading.Thread(target=self._run, args=(_ITERATIONS,)) for _ in range(threads)]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return threads * _ITERATIONS * _SUMS * self.lanes * 2 / (time.perf_counter() - start)


def _assemble(lanes: int) -> bytes:
    body = b""
    for target in range(_SUMS):
        if lanes == 16:
            body += bytes([0x62, 0xD2 if target < 8 else 0x52, 0x0D, 0x48, 0xB8, 0xC7 + 8 * (target % 8)])
        else:
            body += bytes([0xC4, 0xC2 if target < 8 else 0x42, 0x0D, 0xB8, 0xC7 + 8 * (target % 8)])
    body += bytes([0x48, 0xFF, 0xCF])  # dec rdi
    back = -(len(body) + 6)
    vzeroall, vzeroupper, ret = b"\xc5\xfc\x77", b"\xc5\xf8\x77", b"\xc3"
    return vzeroall + body + b"\x0f\x85" + back.to_bytes(4, "little", signed=True) + vzeroupper + ret
