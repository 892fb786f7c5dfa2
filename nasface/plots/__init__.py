"""Figures: curves, histories of a search, boxes on photographs."""
