"""How answers are written as JSON."""

from typing import Any

from flask.json.provider import DefaultJSONProvider


class JsonAnswers(DefaultJSONProvider):
    """Keys in their order and text in UTF-8. Halves of surrogate pairs, which UTF-8 cannot write, become U+FFFD.

    An error repeats what a caller gave it, such as the name of an unknown key, and JSON lets such halves in.
    """

    sort_keys = False
    ensure_ascii = False

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Return `obj` as text that can be sent."""
        text = super().dumps(obj, **kwargs)
        try:
            text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text
