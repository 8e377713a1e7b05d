"""The demo: the sample clip goes through the whole system, then what a healthy system does not show is shown."""
