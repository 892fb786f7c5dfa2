"""Pictures: genotypes, curves, boxes on photographs."""
