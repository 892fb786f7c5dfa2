"""The protocols that come with nasface, a module each."""
