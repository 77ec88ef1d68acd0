"""HTTP for operators: health."""
