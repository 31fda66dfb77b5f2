"""The manifest ``gcp-wif.toml``: one file that says who may be whom.

Besides the contract's keys these are understood:

* ``[issuer]`` ``audience``: a string or a list, where tokens have another audience than the issuer's usual one; the
  empty list means the provider's own name, which is Google's default.
* ``[pool]`` and ``[provider]``: ``display_name``, ``description``, ``disabled``; names left out are left alone.
* ``[identities.NAME]``: ``display_name``, ``description``, ``token_lifetime_seconds``; and ``principals``, in place of
  ``allow``, for a provider that somebody made by hand: the ends of principal identifiers, as in
  ``attribute.project/ID``. With it mapping and condition are those of ``[provider]``, whole.
* ``install``, before the tables: the shell command that installs gcp-wif in the jobs of what is rendered.
* the keys, rule names and guards of the issuer's kind: see `gcp_wif.issuers`. A guard's key in ``[provider]`` is the
  default for every identity. A list in a rule means any of its values.
"""

from gcp_wif.issuers import Issuer
from gcp_wif.manifest.model import (
    Identity,
    ManifestError,
    ManifestProblem,
    PoolSpec,
    ProviderSpec,
    Rule,
)
from gcp_wif.manifest.reader import Manifest

__all__ = [
    "Identity",
    "Issuer",
    "Manifest",
    "ManifestError",
    "ManifestProblem",
    "PoolSpec",
    "ProviderSpec",
    "Rule",
]
