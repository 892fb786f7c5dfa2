"""HTML reports of run folders."""
