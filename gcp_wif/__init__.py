"""Keyless Google Cloud for CI jobs."""
