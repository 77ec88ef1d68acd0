"""Benchmarks: what the service promises, counted and timed beside one that promises nothing.

``python -m bench`` runs all of them, ``python -m bench herd`` one; each prints tables.
"""
