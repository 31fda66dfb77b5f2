"""What must not be committed, told by its shape or by the name of its field. No value of a secret is ever shown.

The shapes are of secrets that a person with a CI job has at hand: Google's own, those of CI systems, code hosts, clouds
and registries. Each is a prefix that its issuer documents for secret scanners, and a number of characters after it.
Every search is linear in the text: what follows a prefix has a fixed length, and no run is read twice.
"""

import re
from collections.abc import Iterator

from gcp_wif.config_lint.finding import LintFinding
from gcp_wif.config_lint.places import Places, Scalar

__all__ = ["has_secret_shape", "hide_secrets", "secret_findings"]

_HIDDEN = "(not shown)"

_FIX = "Take it out of the file and of the repository's history, and revoke it: whoever has read it can use it."

_PREFIXES: tuple[tuple[int, str, str], ...] = (
    (10, "a Google access token", "ya29."),
    (20, "a Google refresh token", "1//0"),
    (30, "a Google API key", "AIza"),
    (20, "a Google client secret", "GOCSPX-"),
    (16, "a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_"),
    (16, "a GitLab token", "glpat- gloas- gldt- glrt- glrtr- glcbt- glptt- glft- glimt- glagent- glsoat- GR1348941"),
    (16, "a CircleCI token", "CCIPAT_ CCIPRJ_"),
    (20, "a Buildkite token", "bkua_ bkat_ bkct_ bkaj_"),
    (20, "an Atlassian or Bitbucket token", "ATATT3 ATCTT3 ATBB"),
    (16, "a HashiCorp Vault token", "hvs. hvb. hvr."),
    (20, "a Slack token", "xoxb- xoxp- xoxa- xoxr- xoxs- xoxe- xapp-"),
    (20, "a Stripe key", "sk_live_ rk_live_ sk_test_"),
    (30, "a package registry's token", "npm_ pypi-AgE rubygems_"),
    (20, "a Docker token", "dckr_pat_ dckr_oat_"),
    (30, "a DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_"),
    (20, "a key of an AI service", "sk-ant- sk-proj- sk-svcacct-"),
    (30, "a Hugging Face token", "hf_"),
    (20, "a SendGrid key", "SG."),
    (32, "a Databricks token", "dapi"),
    (30, "a Grafana token", "glsa_"),
    (30, "a Postman key", "PMAK-"),
    (30, "an age secret key", "AGE-SECRET-KEY-"),
    (40, "a 1Password token", "ops_eyJ"),
    (20, "a Doppler token", "dp.st."),
    (30, "a Linear key", "lin_api_"),
    (36, "a Pulumi token", "pul-"),
)
"""How many characters follow at least, of what, behind which prefixes."""

_WORD = "[A-Za-z0-9_-]"
_SHAPES: tuple[tuple[str, str, str], ...] = (
    ("-----BEGIN ", "-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY", "a private key"),
    # Begins at the first character of a run and looks ahead for the last `eyJ` in it, so that no run is read twice.
    ("eyJ", rf"(?<!{_WORD})(?={_WORD}*eyJ{_WORD}{{10}}){_WORD}++\.{_WORD}{{10}}", "a JWT, such as a subject token"),
    *(
        (prefix, rf"(?<![A-Za-z0-9_]){re.escape(prefix)}{_WORD}{{{length}}}", what)
        for length, what, prefixes in _PREFIXES
        for prefix in prefixes.split()
    ),
    *(
        (prefix, rf"(?<![A-Za-z0-9_]){prefix}[A-Z0-9]{{16}}(?![A-Za-z0-9])", "an AWS access key")
        for prefix in ("AKIA", "ASIA")
    ),
    (".atlasv1.", rf"\.atlasv1\.{_WORD}{{40}}", "a Terraform Cloud token"),
    ("Key=", "(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{30}", "an Azure storage or service bus key"),
    ("8Q~", "[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{30}", "an Azure client secret"),
    ("hooks.slack.com", "hooks\\.slack\\.com/services/[A-Z0-9]{6}", "a Slack webhook"),
    ("://", r"://[^/\s:@?#\"']{0,200}:[^/\s@?#\"'${<]{1,400}@", "a password in a URL"),
    (
        "=",
        r"(?i)[?&](?:access_token|id_token|auth_token|client_secret|api_?key|password|private_token|sig)="
        r"[^&\s\"'${<]{6}",
        "a secret in the query of a URL",
    ),
)
"""A literal that each secret of the kind holds, its pattern, and what it is.

A pattern is compiled where its literal was found: nearly no file has any, and compiling all takes longer than a start.
"""

_AUTHORIZATION = re.compile(
    r"(?:bearer|basic|token|apikey|api-key|digest|negotiate|ssws|splunk|aws4-hmac-sha256)\s+(\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_RAW_AUTHORIZATION = re.compile(r"[\"'](?:bearer|basic) +[A-Za-z0-9+/=._~-]{6}", re.IGNORECASE)
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:private_key(?:_id)?|token|secret(?:_key)?|pass(?:word|wd|phrase)?|pwd|api_?key|access_key(?:_id)?"
    r"|subscription_key|functions_key|account_key|authorization|auth|cookie|credentials?|identity_header|signature|jwt|pat)$"
)
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[- .]")
_PLACEHOLDER = re.compile(r"\s*(?:\$\{?[A-Za-z_]|\$\{\{|\{\{|<<|<[a-zA-Z_ -]+>|%[A-Z_]+%|\*{3,}|x{4,}$)")
_RAW_FIELD = re.compile(r"\"([A-Za-z_-]{1,60})\"\s{0,20}:\s{0,20}\"[^\"$]")


def has_secret_shape(text: str) -> bool:
    """Whether some part of ``text`` has the shape of a secret, or all of it that of an authorization header."""
    return _shape(text) is not None or _is_authorization(text)


def hide_secrets(text: str) -> str:
    """Replace each word of ``text`` that has the shape of a secret, for messages with names and values of a file."""
    if _shape(text) is None:
        return text
    hidden = re.sub(r"[^\s'\"]+", lambda word: _HIDDEN if _shape(word[0]) else word[0], text)
    return hidden if _shape(hidden) is None else _HIDDEN


def _shape(text: str) -> str | None:
    return next((what for literal, pattern, what in _SHAPES if literal in text and re.search(pattern, text)), None)


def _is_authorization(text: str) -> bool:
    return len(text) < 10_000 and _AUTHORIZATION.fullmatch(text) is not None and not _is_placeholder(text)


def _is_placeholder(text: str) -> bool:
    """Whether a template or a shell is to put the value there: ``${TOKEN}``, ``Bearer {{ token }}``."""
    match = _AUTHORIZATION.fullmatch(text) if len(text) < 10_000 else None
    return _PLACEHOLDER.match(match[1] if match else text) is not None


def _is_secret_name(key: str) -> bool:
    """Whether a field of this name holds a secret: ``clientSecret``, ``X-Vault-Token``; not ``token_url``."""
    return len(key) <= 100 and _SECRET_NAME.search(_WORDS.sub("_", key).lower()) is not None


def secret_findings(name: str, text: str, places: Places | None, *, plain: tuple[str, ...] = ()) -> list[LintFinding]:
    """The secrets in a text, at most one a line, without their values.

    Args:
        name: the file's.
        text: its content. The text is searched as it is written, so that comments and broken files are too.
        places: its values, where it could be parsed: escapes are undone there, and every field has its name.
        plain: keys below which a field's name says nothing about its value, such as ``attribute_mapping``.
    """
    found: dict[int, str] = {}
    for number, what in _raw_secrets(text, broken=places is None):
        found.setdefault(number, what)
    for scalar in places.scalars if places is not None else ():
        secret = _scalar_secret(scalar, plain)
        if secret is not None:
            found.setdefault(scalar.line, secret)
    return [
        LintFinding("WIF451", name, line, f"The file holds {found[line]} (not shown).", _FIX) for line in sorted(found)
    ]


def _raw_secrets(text: str, *, broken: bool) -> Iterator[tuple[int, str]]:
    """Line and kind of each secret in the text as it is written."""
    for literal, pattern, what in _SHAPES:
        if literal in text:
            line, last = 1, 0
            for match in re.finditer(pattern, text):
                line += text.count("\n", last, match.start())
                last = match.start()
                yield line, what
    if not broken:
        return
    for number, row in enumerate(text.split("\n"), 1):
        field = next((match[1] for match in _RAW_FIELD.finditer(row) if _is_secret_name(match[1])), None)
        if field is not None:
            yield number, f"a secret in the field {field}"
        elif _RAW_AUTHORIZATION.search(row):
            yield number, "an authorization header"


def _scalar_secret(scalar: Scalar, plain: tuple[str, ...]) -> str | None:
    if scalar.key is not None and scalar.value not in ("", "true", "false", "null"):
        named = _is_secret_name(scalar.key) and not any(part.partition("[")[0] in plain for part in scalar.path)
        if named and not _is_placeholder(scalar.value):
            is_shown = _shape(scalar.key) is None and scalar.key.isprintable() and len(scalar.key) <= 60
            return f"a secret in the field {scalar.key}" if is_shown else "a secret in a field"
        if _is_authorization(scalar.value):
            return "an authorization header"
    # What already shows in the text as it is written was found there, on the line where it begins.
    return _shape(scalar.value) if "\\" in scalar.raw or "\n" in scalar.raw else None
