"""Several processes that work on one job."""
