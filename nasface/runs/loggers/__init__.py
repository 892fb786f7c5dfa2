"""The loggers that come with nasface, a module each."""
