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
        """Continue from the `state` of an object with the same settings; what an older state lacks begins anew."""
        for name in self.STATE:
            if name in state:
                setattr(self, name, state[name])

    def restart(self) -> None:
        """Forget what ends with the tracks, and what holds times: the clock was set back, or all tracks are others."""
