"""Values that programs trip over: as texts, as fragments of JSON, as times, and as bytes of a header or a key."""

import random
from datetime import datetime, timedelta

from bench.fuzz.trees import Raw

DEEP = 100_000
"""How deep documents are nested: far beyond any stack."""

_HUGE_TEXTS = (300_000, 1_000_000)

TEXTS = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\x1b[31mred\x07",
    "line\nline\r\n",
    "a\u2028b\u2029c\x85d",
    "\ufeffmark",
    "\ud800",
    "\udfff\ud800",
    "a\udcffb",
    "\u202egnp.exe",
    "a\u200bb\u200dc",
    "e\u0301" * 100,
    "\u00e9" * 100,
    "\u1100\u1161" * 60,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\ufffe\uffff",
    "\u0660\u0661\u0662",
    "a" * 200,
    "a" * 201,
    "\u00e9" * 201,
    "\U0010ffff" * 200,
    "/",
    "a/b",
    "//a//",
    ".",
    "..",
    "../../../../etc/passwd",
    "*",
    "$where",
    "a.b.$",
    "a,b",
    "a:b",
    "a=b&c=d#e?f",
    "%00%ff%",
    "{{7*7}}${7*7}",
    "<script>alert(1)</script>",
    "'; drop table cameras; --",
    "%s%n{0}{a.b}",
    "NaN",
    "null",
    "true",
    "-1",
    "__proto__",
    "None",
    "camera-0",
    "sample",
)
"""Short texts, some of which no document can hold."""

_NUMBERS = (
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551616",
    b"9007199254740993",
    b"2147483648",
    b"4294967296",
    b"1" + b"0" * 400,
    b"-1" + b"0" * 400,
    b"9" * 5000,
    b"1e400",
    b"-1e400",
    b"1e308",
    b"1e-400",
    b"1e3",
    b"0.1",
    b"1.5",
    b"-0",
    b"-0.0",
    b"-1",
    b"0",
    b"1",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"01",
    b"+1",
    b"0x10",
    b"1_000",
    b"1.",
    b".5",
    b"true",
    b"false",
    b"null",
)
_STRINGS = (
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\\u0000"',
    b'"a\\u0000b"',
    b'"\xed\xa0\x80"',
    b'"\xff\xfe"',
    b'"\xc0\x80"',
    b'"\xf4\x90\x80\x80"',
    b'"\x00\x01"',
    b'"\\x41"',
    b'"\\u12"',
    b'"unclosed',
    b"'single'",
)
_STRUCTURES = (
    b"[]",
    b"{}",
    b"[null]",
    b"[[]]",
    b'{"": ""}',
    b'{"a": 1, "a": 2}',
    b'{"$date": {"$numberLong": "1"}}',
    b'{"$where": "sleep(1000)"}',
    b"[1, 2, 3, 4]",
    b"[",
    b"}",
    b"",
)
_HUGE = (
    lambda: b"[" * DEEP + b"]" * DEEP,
    lambda: b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    lambda: b"[" * DEEP,
    lambda: b"[" * 900 + b"]" * 900,
    lambda: b'[{"a":' * 400 + b"1" + b"}]" * 400,
    lambda: b"[" + b"1," * DEEP + b"1]",
    lambda: b"[" + b"{}," * DEEP + b"{}]",
    lambda: b"{" + b",".join(b'"k%d":1' % number for number in range(DEEP // 2)) + b"}",
)
_TIMES = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59-14:00",
    "10000-01-01T00:00:00Z",
    "-0001-01-01T00:00:00Z",
    "1969-12-31T23:59:59.999Z",
    "1970-01-01T00:00:00Z",
    "1999-12-31T23:59:59Z",
    "2016-12-31T23:59:60Z",
    "2026-02-30T00:00:00Z",
    "2026-03-29T02:30:00+01:00",
    "2026-11-30T24:00:00Z",
    "2026-11-30T12:00:00",
    "2026-11-30",
    "20261130T120000Z",
    "2026-W49-1T12:00:00Z",
    "2026-11-30T12:00:00+24:00",
    "2026-11-30T12:00:00+23:59:59.999999",
    "2026-11-30T12:00:00 Z",
    "2026-11-30T12:00:00.123456789123456789Z",
    "2026-11-30T12:00:00.Z",
    "\u0662\u0660\u0662\u0666-11-30T12:00:00Z",
    "now",
    "1764504000",
    "",
)
_AWAY = (
    timedelta(minutes=4, seconds=59),
    timedelta(minutes=5, seconds=1),
    timedelta(hours=1),
    timedelta(days=400),
    timedelta(days=365 * 500),
    timedelta(seconds=-1),
    timedelta(hours=-3),
    timedelta(days=-40),
    timedelta(days=-365 * 30),
)
_RANGES = (
    b"0:1",
    b"5:3",
    b"3:3",
    b"-1:5",
    b"0:-5",
    b"0:9223372036854775807",
    b"0:9223372036854775808",
    b"1000000:1000001",
    b"9223372036854775806:9223372036854775807",
    b"0:" + b"9" * 400,
    b"0:" + b"9" * 5000,
    b":",
    b"1:",
    b":1",
    b"0:1:2",
    b"0:1:-1",
    b"0:9223372036854775807:3",
    b"5:3:1",
    b"a:b",
    b" 0:1 ",
    b"0:1,1:2",
    b"0.5:1.5",
    b"0:0,1:40,2:20",
    b"0:0," * 20_000,
    b"0:99999999999",
    b"frames/0/5:3",
)
_BYTES = (
    b"",
    b" ",
    b"\x00",
    b"\xff\xfe\xfd",
    b"\xed\xa0\x80",
    b"a\x00b",
    b"{}",
    b"[" * DEEP,
    b"x" * 300_000,
    b"\x00" * 300_000,
    b"0" * 5000,
    b"-1",
    b"1e5",
    b"1.5",
    b"9223372036854775807",
    b"9223372036854775808",
    b"0x1f",
    b"live",
    b"upload",
    b"LIVE",
    b"image/jpeg",
    b"image/jpeg; charset=\xff",
    b"application/json\r\nX: y",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    b"00-zz-zz-zz",
)


def odd_text(rng: random.Random, huge: bool = True) -> str:
    """Return a text; one in thirty is huge."""
    if huge and rng.random() < 1 / 30:
        return rng.choice(("x", "\u00e9", "\x00", "\ud800")) * (rng.choice(_HUGE_TEXTS) // 2)
    return rng.choice(TEXTS)


def odd_time(rng: random.Random, now: datetime) -> str:
    """Return a time, or what looks like one; some are a while before or after `now`."""
    if rng.random() < 0.3:
        return (now + rng.choice(_AWAY)).isoformat(timespec="milliseconds")
    return rng.choice(_TIMES)


def odd_value(rng: random.Random, now: datetime) -> object:
    """Return a value for a place in a JSON document; one in twenty is huge, or nested deep."""
    kind = rng.random()
    if kind < 0.05:
        return Raw(rng.choice(_HUGE)())
    if kind < 0.40:
        return Raw(rng.choice(_NUMBERS))
    if kind < 0.52:
        return Raw(rng.choice(_STRINGS))
    if kind < 0.64:
        return Raw(rng.choice(_STRUCTURES))
    if kind < 0.78:
        return odd_time(rng, now)
    return odd_text(rng)


def odd_bytes(rng: random.Random, now: datetime) -> bytes | None:
    """Return the value of a header, or a key."""
    kind = rng.random()
    if kind < 0.05:
        return None
    if kind < 0.20:
        return rng.choice(_RANGES)
    if kind < 0.35:
        return odd_time(rng, now).encode("utf-8", "surrogatepass")
    if kind < 0.55:
        return rng.choice(_NUMBERS)
    if kind < 0.75:
        return odd_text(rng).encode("utf-8", "surrogatepass")
    if kind < 0.80:
        return rng.randbytes(rng.randint(1, 40))
    return rng.choice(_BYTES)


def odd_range(rng: random.Random) -> bytes:
    """Return a range of offsets, or what looks like one."""
    return rng.choice(_RANGES)
