"""Comparisons of detectors as they are: sizes and times on this machine beside reported figures.

Nothing is trained. Models joined by ``beside`` take turns, so that what else the machine does meets
all of them alike.
"""
