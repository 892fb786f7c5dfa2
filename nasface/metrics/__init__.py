"""Protocols and figures; imports NumPy only."""
