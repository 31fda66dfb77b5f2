"""Google's side on loopback."""
