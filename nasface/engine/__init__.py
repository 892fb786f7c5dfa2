"""Long jobs: search, training, evaluation, detection on files."""
