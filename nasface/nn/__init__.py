"""Modules without search or faces: operations, blocks, cells of a genotype, cost."""
