"""Search spaces and genotypes as plain data; knows no torch."""
