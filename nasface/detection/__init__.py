"""Face detection: boxes, anchors, losses, backbone, detector."""
