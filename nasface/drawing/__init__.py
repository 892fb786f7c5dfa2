"""Drawings of cells and genotypes as graphs."""
