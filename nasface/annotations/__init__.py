"""Annotations and detections as files hold them: records of images, readers, writers; no pixels."""
