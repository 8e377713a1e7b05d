"""How the parts of the analytics are kept over a restart."""

from typing import Any, ClassVar


class Stateful:
    """Something whose whole state is the attributes that `STATE` names: JSON types only, with texts as keys.

    `state` is to be encoded at once: it shares its lists with the object. Numbers come back exactly.
    """

    STATE: ClassVar[tuple[str, ...]] = ()

    def state(self) -> dict[str, Any]:
        """Return the state as JSON types."""
        return {name: getattr(self, name) for name in self.STATE}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from the `state` of an object with the same settings."""
        for name in self.STATE:
            setattr(self, name, state[name])
