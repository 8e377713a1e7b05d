"""Who may do what: three roles, each may do all that the one before it may."""

from enum import Enum


class Role(str, Enum):
    """What a person or a program is trusted with."""

    VIEWER = "viewer"
    """Looks: pictures, counts, events, alerts."""
    OPERATOR = "operator"
    """Acts: sends pictures and messages, draws zones, acknowledges alerts."""
    ADMINISTRATOR = "administrator"
    """Decides: users, keys, sources of cameras, where alerts go."""

    def covers(self, needed: "Role") -> bool:
        """Whether this role may do what `needed` may do."""
        order = list(Role)
        return order.index(self) >= order.index(needed)
