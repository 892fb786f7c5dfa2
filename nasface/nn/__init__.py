"""Modules that know neither search nor faces: operations, blocks, cost."""
