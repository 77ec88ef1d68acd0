"""What the benchmarks share: processes to measure, a local upstream, clients, tables."""
