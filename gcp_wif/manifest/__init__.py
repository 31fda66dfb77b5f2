"""The manifest ``gcp-wif.toml``: one file that says who may be whom.

Besides the contract's keys these are understood:

* ``[issuer]`` ``audience``: a string or a list, where tokens have another audience than the organisation's ID; the
  empty list means the provider's own name, which is Google's default;
  ``url``: CircleCI server's, a whole issuer or a bare host, to which ``/org/ORGANIZATION_ID`` is added.
* ``[pool]`` and ``[provider]``: ``display_name``, ``description``, ``disabled``; names left out are left alone.
* ``[provider]`` ``allow_ssh_rerun``: the default for every identity.
* ``[identities.NAME]``: ``display_name``, ``description``, ``token_lifetime_seconds``, ``allow_ssh_rerun``; and
  ``principals``, in place of ``allow``, for a provider that somebody made by hand: the ends of principal identifiers,
  as in ``attribute.project/ID``. With it mapping and condition are those of ``[provider]``, whole.
* a rule for CircleCI has ``project``, ``context``, ``branch``, ``tag``, ``ref``, ``origin``, ``user`` and
  ``pipeline_definition``; for ``oidc`` the claims' own names. A list means any of its values.
"""

from gcp_wif.manifest.model import (
    MAX_MANIFEST_BYTES,
    Identity,
    Issuer,
    Manifest,
    ManifestError,
    ManifestProblem,
    PoolSpec,
    ProviderSpec,
    Rule,
)

__all__ = [
    "MAX_MANIFEST_BYTES",
    "Identity",
    "Issuer",
    "Manifest",
    "ManifestError",
    "ManifestProblem",
    "PoolSpec",
    "ProviderSpec",
    "Rule",
]
