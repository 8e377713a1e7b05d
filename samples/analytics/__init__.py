"""Simulated crowds for each of the ten uses: to try the analytics without a camera, and to see what they answer."""
