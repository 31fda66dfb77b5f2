"""The job's journey: generate, export, verify, logout."""
