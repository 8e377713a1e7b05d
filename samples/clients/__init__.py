"""Programs that use a running system from outside, each short enough to be copied."""
