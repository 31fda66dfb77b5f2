"""What a CI system gives a job (tokens) and takes from it (exports)."""
