"""Tracks, zones and lines, and what they say of a crowd. Pure: no server, and the clock is passed in."""
