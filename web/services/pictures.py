"""What kind of picture some bytes are, by their first bytes alone: what a browser may be shown."""


def sniff_content_type(data: bytes) -> str | None:
    """Return `image/jpeg`, `image/png`, `image/webp` or `image/bmp`; None for anything else (WHATWG MIME Sniffing)."""
    if data[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:2] == b"BM":
        return "image/bmp"
    return None
