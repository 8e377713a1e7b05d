"""Put on the path of a storm's processes: a picture that ends with POISON kills the process that decodes it.

It stands for a decoder with a hole in it. Nothing of the project knows about it.
"""

import os
import signal

import detection

POISON = b"poison"
_decode_picture = detection.decode_picture


def _decode_or_die(data: bytes, **options: object) -> object:
    if data.endswith(POISON):
        os.kill(os.getpid(), signal.SIGSEGV)
    return _decode_picture(data, **options)


detection.decode_picture = _decode_or_die
