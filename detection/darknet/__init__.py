"""Darknet's files: network descriptions (.cfg) and weights (.weights). Source: the Darknet of Redmon and of
Bochkovskiy."""
