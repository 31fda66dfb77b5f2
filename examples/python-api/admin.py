"""An admin in Python: see what Google lacks, make it so, and see that nothing is left.

python admin.py gcp-wif.toml
"""

import sys

import gcp_wif


def main(manifest: str) -> int:
    found = gcp_wif.plan(manifest)
    for change in found.changes:
        print(change)
    if not found:
        return 0
    done = gcp_wif.apply(manifest)
    print(f"{len(done.done)} changes made; left: {len(gcp_wif.plan(manifest).changes)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
