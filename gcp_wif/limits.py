"""How large, how deep and how many: the limits of inputs, in one place."""

__all__ = [
    "MAX_CONFIG_BYTES",
    "MAX_CONFIG_DEPTH",
    "MAX_DIFF_LINES",
    "MAX_FINDINGS_OF_A_KIND",
    "MAX_LINTED_BYTES",
    "MAX_MANIFEST_PROBLEMS",
    "MAX_SUGGESTIONS",
    "MAX_TOML_KEY_PARTS",
]

MAX_CONFIG_BYTES = 64 * 1024
"""The largest file that is read as a credential config; real ones have about 1 KiB."""

MAX_CONFIG_DEPTH = 16
"""The deepest nesting of objects and arrays that `check` follows in a credential config; real ones have 4 levels."""

MAX_DIFF_LINES = 200
"""The most lines of a credential config that are compared with the manifest's; real ones have about 20."""

MAX_LINTED_BYTES = 1_000_000
"""The largest file that `check` looks at."""

MAX_FINDINGS_OF_A_KIND = 20
"""The most findings of one code that `check` prints for one file; the others are counted."""

MAX_MANIFEST_PROBLEMS = 100
"""The most problems of one manifest that are listed; the others are counted."""

MAX_SUGGESTIONS = 20
"""The most unknown keys of one table that are answered with "did you mean …": each costs a fuzzy search."""

MAX_TOML_KEY_PARTS = 32
"""The most parts of a dotted TOML key. tomllib keeps each prefix, so that 20,000 dots take 1.5 GB (observed, 3.11)."""
