"""A small data set made from pictures that come with scikit-image; needs nothing above data."""
