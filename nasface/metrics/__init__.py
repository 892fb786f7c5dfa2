"""From a detector and annotated images to detections and figures."""
