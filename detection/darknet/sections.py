"""The text of a .cfg file: sections of `key=value` lines, with typed reading and errors that name the line."""

from dataclasses import dataclass
from pathlib import PurePath

from contracts.errors import ModelError

MAX_CFG_BYTES = 1 << 20


@dataclass(frozen=True)
class Section:
    """One `[kind]` with its options; each value carries its line number, from 1."""

    file: str
    kind: str
    line: int
    options: dict[str, tuple[str, int]]

    def error(self, reason: str, key: str | None = None) -> ModelError:
        """Return the error that names the file, the line of `key` (else of the section) and the reason."""
        line = self.options[key][1] if key in self.options else self.line
        return ModelError(f"{self.file}, line {line}, [{self.kind}]: {reason}")

    def integer(self, key: str, default: int | None = None, *, at_least: int, at_most: int) -> int:
        """Return a whole number within bounds; without `default` the key must be there."""
        if key not in self.options:
            if default is None:
                raise self.error(f"{key} is missing")
            return default
        return self._to_integer(key, self.options[key][0], at_least, at_most)

    def integers(self, key: str, *, at_least: int, at_most: int) -> tuple[int, ...]:
        """Return a list of whole numbers separated by commas, empty when the key is absent."""
        text = self.options.get(key, ("", 0))[0]
        return tuple(self._to_integer(key, part, at_least, at_most) for part in text.split(",") if part.strip())

    def number(self, key: str, default: float, *, at_least: float, at_most: float) -> float:
        """Return a number within bounds."""
        if key not in self.options:
            return default
        return self._to_number(key, self.options[key][0], at_least, at_most)

    def numbers(self, key: str, *, at_least: float, at_most: float) -> tuple[float, ...]:
        """Return a list of numbers separated by commas, empty when the key is absent."""
        text = self.options.get(key, ("", 0))[0]
        return tuple(self._to_number(key, part, at_least, at_most) for part in text.split(",") if part.strip())

    def text(self, key: str, default: str) -> str:
        """Return a word."""
        return self.options.get(key, (default, 0))[0]

    def allow(self, known: frozenset[str]) -> None:
        """Refuse keys that are not in `known`: guessing what they change would give wrong boxes."""
        for key in self.options:
            if key not in known:
                raise self.error(f"unknown key {key!r}; known here: {', '.join(sorted(known))}", key)

    def _to_integer(self, key: str, text: str, at_least: int, at_most: int) -> int:
        try:
            value = int(text) if len(text) < 20 else at_most + 1
        except ValueError:
            raise self.error(f"{key} should be a whole number, is {text.strip()[:40]!r}", key) from None
        if not at_least <= value <= at_most:
            raise self.error(f"{key} should be from {at_least} to {at_most}, is {text.strip()[:40]}", key)
        return value

    def _to_number(self, key: str, text: str, at_least: float, at_most: float) -> float:
        try:
            value = float(text)
        except ValueError:
            raise self.error(f"{key} should be a number, is {text.strip()[:40]!r}", key) from None
        if not at_least <= value <= at_most:
            raise self.error(f"{key} should be from {at_least} to {at_most}, is {text.strip()[:40]}", key)
        return value


def read_sections(data: bytes, file: str) -> list[Section]:
    """Split the text of a .cfg into its sections; lines that start with `#` or `;` are comments.

    Raises:
        ModelError: a line is neither a section, an option nor a comment, an option stands twice or before the first
        section.
    """
    name = PurePath(file).name
    if len(data) > MAX_CFG_BYTES:
        raise ModelError(f"{name}: {len(data):,} bytes are too many for a cfg, {MAX_CFG_BYTES:,} are allowed")
    sections: list[Section] = []
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        if text.startswith("["):
            if not text.endswith("]"):
                raise ModelError(f"{name}, line {number}: expected [layer], got {text[:60]!r}")
            sections.append(Section(name, text[1:-1].strip(), number, {}))
            continue
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key:
            raise ModelError(f"{name}, line {number}: expected key=value, got {text[:60]!r}")
        if not sections:
            raise ModelError(f"{name}, line {number}: expected [net] before the first option, got {text[:60]!r}")
        if key in sections[-1].options:
            raise ModelError(f"{name}, line {number}: {key} stands twice in [{sections[-1].kind}]")
        sections[-1].options[key] = (value, number)
    return sections
