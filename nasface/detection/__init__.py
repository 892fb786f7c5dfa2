"""The detection model and its losses: anchors, matching, heads, detector, model zoo."""
