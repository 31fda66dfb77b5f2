"""The command line: parses at the edge, calls a journey, prints its result."""
