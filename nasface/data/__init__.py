"""Images and annotations: readers, augmentation, the embedded sample."""
