"""Who calls: a person who signed in, a key, or anybody on this machine while sign-in is off."""

from dataclasses import dataclass

from contracts.access import Role


@dataclass(frozen=True)
class Principal:
    """Who calls, with what role. `key` is the id of the key that calls; `cameras` limits it to these, None does not."""

    name: str
    role: Role
    key: str | None = None
    cameras: frozenset[str] | None = None


LOCAL = Principal("local", Role.ADMINISTRATOR)
"""Whoever uses this machine, while sign-in is off."""
