"""Image classification with the cells of DARTS: networks that stack them, and their supernet."""
