"""Odd records, headers, keys, pictures and documents, sent to a running system, which is judged afterwards.

Everything follows from one seed: record number 17 of seed 1 is the same wherever and whenever it is made.
"""
