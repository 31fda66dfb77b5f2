"""Google's names for projects, pools, providers, accounts and principals, parsed once and frozen.

Limits are Google's (IAM REST v1 discovery document and the IAM pages on workload identity federation). Each ``parse``
takes ``origin``, the flag or variable that the text came from, so that an error can name it.
"""

import re
from typing import NamedTuple, Self

from gcp_wif.errors import InputError, shown

__all__ = [
    "REGISTRY_HOST",
    "ImageName",
    "PoolId",
    "PoolName",
    "Principal",
    "PrincipalParts",
    "ProjectId",
    "ProjectNumber",
    "ProviderId",
    "ProviderName",
    "ServiceAccountEmail",
]

_PROJECT_NUMBER = r"[1-9][0-9]{0,18}"
_PROJECT_ID = r"(?:[a-z0-9][a-z0-9.-]*[a-z0-9]:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"
_WIF_ID = r"[a-z0-9][a-z0-9-]{3,31}"
"""A hyphen first would be an option of the commands that are printed; Google's own console asks for a letter there."""
_PROVIDER_NAME = (
    r"(?:(?:https?:)?//iam\.googleapis\.com/)?"
    r"projects/(?P<project>[^/]*)/locations/(?P<location>[^/]*)"
    r"/workloadIdentityPools/(?P<pool>[^/]*)/providers/(?P<provider>[^/]*)"
)
_EMAIL = r"(?P<local>[a-z0-9](?:[a-z0-9.-]{0,98}[a-z0-9])?)@(?P<domain>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)"
_ACCOUNT_ID = r"[a-z](?:[-a-z0-9]{4,28})[a-z0-9]"
_SERVICE_AGENT = r"service-[0-9]+"
_PRINCIPAL = (
    r"principal(?P<set>Set)?://iam\.googleapis\.com/projects/(?P<project>[^/]+)/locations/global/workloadIdentityPools/"
    r"(?P<pool>[^/]+)/(?P<tail>(?(set)(?:\*|group/.+|attribute\.[a-z0-9_]+/.+)|subject/.+))"
)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_IMAGE = (
    rf"(?P<host>[^/]+)/(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_IMAGE_CHARACTERS = 512
"""Ours; the name without tag and digest may have 255 (distribution specification, "Pulling manifests")."""
_EMPTY_HINT = "It is empty: the variable that it was made from is likely unset."


REGISTRY_HOST = re.compile(rf"(?:{_LABEL}\.)?gcr\.io|(?:{_LABEL}\.){{1,3}}pkg\.dev")
"""The hosts of Google's registries: all that Google gives out below these two domains, which are its own, so that a
location that is new today works, too.

gcloud has a list of them, and docker-credential-gcr takes any host whatever.
"""


class ImageName(str):
    """A container image in a registry of Google's, such as ``europe-west1-docker.pkg.dev/acme-prod/tools/ci:1.4``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str, *, origin: str) -> Self:
        """Parse ``text``: the host, the project, below ``pkg.dev`` the repository, the image; a tag, a digest or both.

        Raises:
            InputError: WIF146.
        """
        match = re.fullmatch(_IMAGE, text) if len(text) <= _IMAGE_CHARACTERS else None
        host = match["host"] if match else text.partition("/")[0]
        if REGISTRY_HOST.fullmatch(host) is None:
            hint = "Only Google's registries know an identity of Google's: gcr.io, and the hosts below it and pkg.dev."
        elif match is None or match["path"].count("/") < (2 if host.endswith("pkg.dev") else 1):
            hint = "It reads LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE:TAG, in small letters but for the tag."
        else:
            return cls(text)
        raise InputError(f"{origin} must be an image of Google's, but holds {shown(text)}.", hint=hint, code="WIF146")


class ProjectNumber(str):
    """A Google Cloud project number, such as ``123456789012``: decimal, without leading zeros."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str, *, origin: str) -> Self:
        """Parse ``text``; a project ID in its place is recognised and named as the cause.

        Raises:
            InputError: WIF104.
        """
        if re.fullmatch(_PROJECT_NUMBER, text):
            return cls(text)
        if not text:
            hint = _EMPTY_HINT
        elif re.fullmatch(_PROJECT_ID, text):
            hint = (
                "This looks like a project ID. A workload identity pool is addressed by the project number; "
                f"`gcloud projects describe {text} --format='value(projectNumber)'` prints it."
            )
        else:
            hint = "The project number stands on the project's dashboard. Quote it in YAML, or it may be mangled."
        raise InputError(
            f"{origin} must be a project number (decimal digits), but holds {shown(text)}.", hint=hint, code="WIF104"
        )


class ProjectId(str):
    """A Google Cloud project ID such as ``acme-prod`` or, domain-scoped, ``example.com:acme-prod``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str, *, origin: str) -> Self:
        """Parse ``text``.

        Raises:
            InputError: WIF115.
        """
        if re.fullmatch(_PROJECT_ID, text):
            return cls(text)
        looks_number = text.isascii() and text.isdigit()
        raise InputError(
            f"{origin} must be a project ID, but holds {shown(text)}.",
            hint=(
                "This is a project number; the ID is the name such as acme-prod."
                if looks_number
                else "A project ID has 6 to 30 lower-case letters, digits and hyphens and begins with a letter."
            ),
            code="WIF115",
        )


def _parse_wif_id(text: str, *, origin: str, what: str, code: str) -> str:
    if re.fullmatch(_WIF_ID, text) and not text.startswith("gcp-"):
        return text
    if not text:
        hint = _EMPTY_HINT
    elif text.startswith("gcp-"):
        hint = "The prefix gcp- is reserved by Google."
    elif text.startswith("-"):
        hint = "An ID begins with a letter or a digit. A flag that lost its value may have taken the next one for it."
    elif "/" in text:
        hint = f"Give the last part of the resource name alone, as in `main-pool`, not the whole {what} name."
    elif text != text.lower():
        hint = "IDs are lower case. Google created it under a lower-case ID; see the console or `gcloud … list`."
    else:
        hint = "A pool or provider ID has 4 to 32 characters: a-z, 0-9 and hyphens. The display name is something else."
    raise InputError(f"{origin} must be a {what} ID, but holds {shown(text)}.", hint=hint, code=code)


class PoolId(str):
    """A workload identity pool's ID: 4 to 32 of ``[a-z0-9-]``, not beginning with ``-`` or ``gcp-``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str, *, origin: str) -> Self:
        """Parse ``text``.

        Raises:
            InputError: WIF105.
        """
        return cls(_parse_wif_id(text, origin=origin, what="workload identity pool", code="WIF105"))


class ProviderId(str):
    """A workload identity pool provider's ID, under the same limits as a pool's."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str, *, origin: str) -> Self:
        """Parse ``text``.

        Raises:
            InputError: WIF106.
        """
        return cls(_parse_wif_id(text, origin=origin, what="workload identity pool provider", code="WIF106"))


class PoolName(NamedTuple):
    """A workload identity pool by its full resource name; the location is always ``global``."""

    project_number: ProjectNumber
    pool_id: PoolId

    def __str__(self) -> str:
        return f"projects/{self.project_number}/locations/global/workloadIdentityPools/{self.pool_id}"


class ProviderName(NamedTuple):
    """A workload identity pool provider by its full resource name."""

    project_number: ProjectNumber
    pool_id: PoolId
    provider_id: ProviderId

    @classmethod
    def parse(cls, text: str, *, origin: str) -> Self:
        """Parse a resource name, with or without ``//iam.googleapis.com/`` or ``https://iam.googleapis.com/``.

        Raises:
            InputError: WIF108 where the shape is wrong; WIF104, WIF105 or WIF106 for one of its parts.
        """
        match = re.fullmatch(_PROVIDER_NAME, text)
        if match is None:
            raise InputError(
                f"{origin} is not a provider's full name: it holds {shown(text)}.",
                hint="It reads projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER.",
                code="WIF108",
            )
        if match["location"] != "global":
            raise InputError(
                f"{origin} names the location {shown(match['location'])}; workload identity pools are in `global`.",
                hint="Write …/locations/global/workloadIdentityPools/….",
                code="WIF108",
            )
        return cls(
            ProjectNumber.parse(match["project"], origin=f"the project in {origin}"),
            PoolId.parse(match["pool"], origin=f"the pool in {origin}"),
            ProviderId.parse(match["provider"], origin=f"the provider in {origin}"),
        )

    @property
    def pool(self) -> PoolName:
        """The pool that the provider belongs to."""
        return PoolName(self.project_number, self.pool_id)

    @property
    def audience(self) -> str:
        """The STS audience, ``//iam.googleapis.com/projects/…``; the same in every universe (observed, gcloud 528)."""
        return f"//iam.googleapis.com/{self}"

    @property
    def default_audiences(self) -> tuple[str, str]:
        """The ``aud`` values that a provider without allowed audiences accepts (Google, OIDC provider reference)."""
        return (f"//iam.googleapis.com/{self}", f"https://iam.googleapis.com/{self}")

    def __str__(self) -> str:
        return f"{self.pool}/providers/{self.provider_id}"


class ServiceAccountEmail(str):
    """A service account's email, such as ``deploy@acme-prod.iam.gserviceaccount.com``."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str, *, origin: str) -> Self:
        """Parse ``text``: user-managed accounts, Google's default accounts and those of other universes.

        Raises:
            InputError: WIF107.
        """
        match = re.fullmatch(_EMAIL, text)
        if match is not None:
            domain = match["domain"]
            if not (domain.endswith(".gserviceaccount.com") and ".." not in text):
                hint = (
                    "A service account's email ends in .gserviceaccount.com; "
                    "a person's or a group's cannot be impersonated."
                )
            elif (
                domain.endswith(".iam.gserviceaccount.com")
                and not re.fullmatch(_ACCOUNT_ID, match["local"])
                and not re.fullmatch(_SERVICE_AGENT, match["local"])
            ):
                hint = "The part before the @ has 6 to 30 characters: a-z, 0-9 and hyphens, beginning with a letter."
            else:
                return cls(text)
        elif not text:
            hint = _EMPTY_HINT
        elif text != text.strip():
            hint = "There is white space around it."
        elif "@" not in text:
            hint = "The whole email is needed: NAME@PROJECT.iam.gserviceaccount.com."
        elif text != text.lower():
            hint = "Service account emails are lower case."
        else:
            hint = "It reads NAME@PROJECT.iam.gserviceaccount.com."
        raise InputError(
            f"{origin} must be a service account's email, but holds {shown(text)}.", hint=hint, code="WIF107"
        )

    @property
    def account_id(self) -> str:
        """The part before the ``@``."""
        return self.partition("@")[0]

    @property
    def project_id(self) -> ProjectId | None:
        """The project of a user-managed account, from its email; ``None`` where the email does not tell.

        Only ``NAME@PROJECT.iam.gserviceaccount.com`` tells, with ``PROJECT.DOMAIN`` for the domain-scoped project
        ``DOMAIN:PROJECT``. Default accounts (``…@developer…``, ``…@appspot…``) and Google's service agents
        (``service-NUMBER@…``, ``…@gcp-sa-….iam…``) belong to projects that their emails do not name.
        """
        suffix = ".iam.gserviceaccount.com"
        local, _, domain = self.partition("@")
        if not domain.endswith(suffix) or re.fullmatch(_SERVICE_AGENT, local):
            return None
        project, _, scope = domain.removesuffix(suffix).partition(".")
        if project.startswith("gcp-sa-"):
            return None
        candidate = f"{scope}:{project}" if scope else project
        return ProjectId(candidate) if re.fullmatch(_PROJECT_ID, candidate) else None


class PrincipalParts(NamedTuple):
    """What a principal identifier says.

    Attributes:
        project: the pool's project as it stands there: a number, unless somebody wrote the ID.
        pool: the pool's ID.
        kind: ``subject``, ``group``, ``attribute``, or ``pool`` for every identity of the pool.
        attribute: the attribute's name, for that kind.
        value: the subject, group or value; empty for the whole pool.
    """

    project: str
    pool: str
    kind: str
    attribute: str
    value: str


class Principal(str):
    """A principal or principal set of a pool, as an IAM policy names it (Google, "Principal identifiers").

    Values stand in it as they are: Google's own examples write subjects such as ``repo:a/b:ref`` bare, and document no
    escaping. A value that such a string cannot carry is for the caller to refuse.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, member: str) -> Self | None:
        """The principal that a policy's member names; ``None`` for a user, an account, or anything malformed.

        One of a pool that Google has deleted (``deleted:principal://…``) means nobody and is ``None`` too.
        """
        return cls(member) if re.fullmatch(_PRINCIPAL, member, re.DOTALL) else None

    @classmethod
    def subject(cls, pool: PoolName, value: str) -> Self:
        """One identity: ``principal://…/subject/VALUE``."""
        return cls(f"principal://iam.googleapis.com/{pool}/subject/{value}")

    @classmethod
    def group(cls, pool: PoolName, value: str) -> Self:
        """Every identity whose ``google.groups`` holds ``value``."""
        return cls(f"principalSet://iam.googleapis.com/{pool}/group/{value}")

    @classmethod
    def attribute(cls, pool: PoolName, name: str, value: str) -> Self:
        """Every identity whose ``attribute.NAME`` equals ``value``; a set matches exactly one attribute."""
        return cls(f"principalSet://iam.googleapis.com/{pool}/attribute.{name}/{value}")

    @classmethod
    def whole_pool(cls, pool: PoolName) -> Self:
        """Every identity of the pool. Named so that lint can find it; gcp-wif never grants to it."""
        return cls(f"principalSet://iam.googleapis.com/{pool}/*")

    @classmethod
    def of_tail(cls, pool: PoolName, tail: str) -> Self:
        """The principal with this `tail`, such as ``attribute.project/ID``."""
        kind = "principal" if tail.startswith("subject/") else "principalSet"
        return cls(f"{kind}://iam.googleapis.com/{pool}/{tail}")

    @property
    def parts(self) -> PrincipalParts:
        """What it says."""
        match = re.fullmatch(_PRINCIPAL, self, re.DOTALL)
        assert match is not None  # noqa: S101 - every constructor makes this form
        kind, _, value = match["tail"].partition("/")
        if match["tail"] == "*":
            return PrincipalParts(match["project"], match["pool"], "pool", "", "")
        name, _, attribute = kind.partition(".")
        return PrincipalParts(match["project"], match["pool"], name, attribute, value)

    @property
    def tail(self) -> str:
        """What stands behind the pool: ``attribute.project/ID``; ``*`` for the whole pool."""
        return self.partition("/workloadIdentityPools/")[2].partition("/")[2]

    @property
    def is_whole_pool(self) -> bool:
        """Whether it means every identity of the pool."""
        return self.tail == "*"

    def is_of(self, pool: PoolName) -> bool:
        """Whether it is a principal of ``pool``."""
        return self.partition("://iam.googleapis.com/")[2].startswith(f"{pool}/")

    @classmethod
    def of_pool(cls, member: str, pool: PoolName | None) -> Self | None:
        """The principal of ``pool`` that a member of a policy is; ``None`` for any other member."""
        found = cls.parse(member)
        return found if found is not None and pool is not None and found.is_of(pool) else None
