"""The search engine: policies, supernet, bilevel steps, derivation; knows no images or files."""
