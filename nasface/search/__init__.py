"""The search engine: policies, supernet, bilevel steps, derivation."""
