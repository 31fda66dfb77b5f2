"""How Google decides."""
