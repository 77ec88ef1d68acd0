"""HTTP for operators: health, ids of requests, the access log, counts for the metrics."""
