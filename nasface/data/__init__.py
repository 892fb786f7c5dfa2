"""Data sets: readers, records, augmentation, loading."""
