"""Files that hold credentials, and the shell file that other programs write too. POSIX only.

* `write_private` replaces files of our own: all of them or none, mode 0600 from birth, never through a symbolic link,
  and never half. Each is written in full beside its target and renamed over it, so a reader, or a kill at any moment,
  finds the earlier file or the new one.
* `write_new` writes a file without a secret in the same way: a manifest, a page, a report.
* `edit_shared` changes a file that is not ours, which the job's next steps read: under a lock, by one append, so that
  lines which others append at the same time survive. Only taking lines out rewrites it.
* `open_receipt` and `remove_proven` are how `logout` knows which files login wrote.

Which folders are trusted (`Roots`) is an argument. Below them every name is opened relative to the folder before it,
without following a link, and the file is made, renamed and removed in that open folder: nobody can put a link in
between a check and its use.
"""

from gcp_wif.files.folders import Roots, open_folder
from gcp_wif.files.new import write_new
from gcp_wif.files.private import check_destination, write_private
from gcp_wif.files.reading import read_bounded
from gcp_wif.files.receipt import Fact, named_project, open_receipt, real_path, sha256
from gcp_wif.files.removal import Removal, remove_proven
from gcp_wif.files.shared import check_shared, edit_shared

__all__ = [
    "Fact",
    "Removal",
    "Roots",
    "check_destination",
    "check_shared",
    "edit_shared",
    "named_project",
    "open_folder",
    "open_receipt",
    "read_bounded",
    "real_path",
    "remove_proven",
    "sha256",
    "write_new",
    "write_private",
]
