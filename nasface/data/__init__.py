"""Images for training: decoding, checks, augmentation, samples, loading."""
