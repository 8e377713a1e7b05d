"""Names that people and programs choose: one rule for camera ids and other names, wherever they come in."""

import re
import unicodedata

from contracts.errors import ContractError

MOST_CHARACTERS = 200
"""The longest camera id, and the longest name of a zone, line, venue or model."""

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line and paragraph separators, and halves of surrogate pairs, which UTF-8 cannot write."""


def camera_id(text: str) -> str:
    """Return a camera's id in NFC.

    Raises:
        ContractError: it is not 1 to 200 characters of text without control characters, or only spaces.
    """
    return name(text, "camera_id")


def camera_id_of_key(key: bytes | None, partition: int) -> str:
    """Return the camera that the key of a record in `frames` or `media-stream` names, by default `camera-<partition>`.

    Bytes that are not UTF-8 are replaced by U+FFFD.

    Raises:
        ContractError: the key is not a camera's id.
    """
    if not key:
        return default_camera_id(partition)
    if len(key) > 4 * MOST_CHARACTERS:
        raise ContractError(f"the key has {len(key)} bytes; a camera_id has {MOST_CHARACTERS} characters at most")
    return camera_id(key.decode("utf-8", "replace"))


def default_camera_id(partition: int) -> str:
    """Return the camera of a frame whose record has no key."""
    return f"camera-{partition}"


def name(text: str, what: str) -> str:
    """Return a name in NFC; `what` says in errors what it names.

    Raises:
        ContractError: it is not 1 to 200 characters of text without control characters, or only spaces.
    """
    if not isinstance(text, str):
        raise ContractError(f"{what} should be text, is {text!r:.60}")
    if not text.isascii():
        text = unicodedata.normalize("NFC", text[: 4 * MOST_CHARACTERS])
    if len(text) > MOST_CHARACTERS:
        raise ContractError(f"{what} should be 1 to {MOST_CHARACTERS} characters, has {len(text)} or more")
    if not text.strip():
        raise ContractError(f"{what} should be 1 to {MOST_CHARACTERS} characters, is {text!r}")
    if (unfit := _UNFIT.search(text)) is not None:
        raise ContractError(f"{what} should have no control characters, has {unfit[0]!r} in {text!r:.60}")
    return text


def fit_text(text: str, most_characters: int) -> str:
    """Return a text that is meant for people, such as a reason: what cannot be stored or shown becomes U+FFFD."""
    return _UNFIT.sub("\ufffd", text[:most_characters])
