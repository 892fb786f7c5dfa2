"""Files of bytes, text and weights; knows no domain."""
