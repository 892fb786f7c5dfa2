"""Search spaces that come with nasface, as YAML files."""
