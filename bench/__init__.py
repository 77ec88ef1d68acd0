"""Benchmarks: what the service guarantees, counted and timed beside a baseline.

``python -m bench`` runs all benchmarks, ``python -m bench herd`` one; each prints tables.
"""
