"""Differentiable neural architecture search for face detectors."""

__version__ = "0.1.0"
