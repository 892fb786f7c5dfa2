"""A detector as one readable Python file."""
