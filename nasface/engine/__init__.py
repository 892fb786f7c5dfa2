"""Long jobs: search, training, evaluation, with their folders and checkpoints."""
