"""Genotypes that come with nasface, as YAML files."""
