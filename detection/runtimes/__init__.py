"""What runs a network: one file each, behind `detection.runtimes.base.Runtime`."""
