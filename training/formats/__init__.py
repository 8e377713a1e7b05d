"""The forms that datasets of face boxes come in, one a module; each reads a path into labelled pictures."""
