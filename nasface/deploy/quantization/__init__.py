"""Detectors whose convolutions compute with 8-bit integers, calibrated on images."""
