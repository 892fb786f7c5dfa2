"""Necks between backbone and heads: hand-made, of a genotype, and an adapter for toolboxes."""
