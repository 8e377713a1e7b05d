"""Frozen settings with a description of each: the only reader of the environment."""

from settings.model import Settings

__all__ = ["Settings"]
