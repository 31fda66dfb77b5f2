"""Limits of what is read, kept and waited for, in one place. No imports: every run of a command may load this."""

ASK_SECONDS = 30.0
"""How long a program of the CI system may take to print a token; a job that waits longer looks hung."""
