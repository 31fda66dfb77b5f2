"""What Google knows and how it decides, in memory. Knows no protocol."""
