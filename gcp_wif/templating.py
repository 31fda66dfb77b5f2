"""Where the templates are, and how they become text.

Jinja's own delimiters collide with those of CI configs (``<< >>``, ``{{ }}``, ``${{ }}``), and ``${}`` belongs to bash
and Terraform. Here a value is ``[= value | filter =]``, a block ``[% for … %]``, a comment ``[# … #]``; no target's
syntax has these.

A template and its values must agree: a variable that the template does not get is an error, and so is a value that
it does not use. Where the target is HTML (``NAME.html``), values are escaped. Everywhere else a value must have been
quoted for the language that it lands in, by a filter that returns `Quoted`: a bare string is an error.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcp_wif import secrets
from gcp_wif.errors import InputError

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["Quoted", "TemplateMisuseError", "render_page", "render_template", "templates_folder"]

Filter = Callable[..., Any]

_BREAK = "\u200b"
"""Where a browser may break a line. It becomes a tag after secrets were looked for: these are found across it."""


class TemplateMisuseError(Exception):
    """A template and its values do not fit: a bug in one of them, nothing that a user can fix."""


class Quoted(str):
    """Text that is quoted for its language already, so that a template may insert it."""

    __slots__ = ()


def templates_folder(package: Path | None = None) -> Path:
    """The folder of the templates: the packaged one, or a checkout's ``templates/``.

    Args:
        package: the folder of the package ``gcp_wif``; this one's by default.

    Raises:
        InputError: WIF004 where neither is there.
    """
    home = package or Path(__file__).parent
    packaged = home / "_templates"
    if packaged.is_dir():
        return packaged
    checkout = home.parent
    # Only beside pyproject.toml: a folder site-packages/templates would be somebody else's.
    if (checkout / "pyproject.toml").is_file() and (checkout / "templates").is_dir():
        return checkout / "templates"
    raise InputError("The templates are missing.", hint="Install gcp-wif again: this install is broken.", code="WIF004")


def render_template(
    name: str, values: Mapping[str, Any], *, filters: Mapping[str, Filter] | None = None, folder: Path | None = None
) -> str:
    """Render one template.

    Args:
        name: its path in the folder, such as ``terraform/main.tf`` or ``doctor/report.html``.
        values: exactly the variables that it uses, those of templates that it includes among them.
        filters: by name; those for a target other than HTML return `Quoted`.
        folder: of the templates; `templates_folder` by default.

    Raises:
        InputError: WIF004 of `templates_folder`.
        TemplateMisuseError: a variable is undefined or unused, a value is not quoted, or the template is broken.
    """
    import jinja2

    environment = _environment(folder or templates_folder(), filters or {})
    try:
        used = _variables(environment, name)
        for what, names in (("undefined", used - values.keys()), ("unused", values.keys() - used)):
            if names:
                raise TemplateMisuseError(f"{name}: {what}: {', '.join(sorted(names))}")
        return environment.get_template(name).render(values)
    except jinja2.TemplateError as error:
        raise TemplateMisuseError(f"{name}: {error}") from error


def render_page(name: str, model: Any, *, folder: Path | None = None) -> str:
    """Render one self-contained HTML page in the house's style, ``templates/page/``.

    No script, nothing loaded; the page's policy admits its own style sheet alone, by its hash (CSP Level 3, section
    2.3.1), so that not even a style can be slipped in. No secret that this run handled is in it.

    Args:
        name: of the template, which uses ``page``, ``style`` and ``style_hash``.
        model: what it shows, as ``page``.
        folder: of the templates; `templates_folder` by default.

    Raises:
        InputError: WIF004 of `templates_folder`.
        TemplateMisuseError: see `render_template`.
    """
    import base64
    import hashlib

    from markupsafe import Markup

    style = render_template("page/style.css", {}, folder=folder)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    values = {"page": model, "style": Markup(style), "style_hash": f"sha256-{digest}"}  # noqa: S704 - our own file
    text = secrets.hide(render_template(name, values, filters={"breakable": _breakable}, folder=folder))
    return text.replace(_BREAK, "<wbr>")


def _breakable(text: str) -> str:
    """``text`` with places where a browser may break a long name; the origin of a URL stays in one piece."""
    places = r"(?P<origin>https?://[^/\s]*)|(?<=[/.@:,;=&|?_-])(?=[^/.@:,;=&|?_ -])"
    return re.sub(places, lambda match: match["origin"] or _BREAK, text)


def _environment(folder: Path, filters: Mapping[str, Filter]) -> "Environment":
    import jinja2
    from markupsafe import Markup

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[=",
        variable_end_string="=]",
        comment_start_string="[#",
        comment_end_string="#]",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=jinja2.select_autoescape(("html",), default=False),
    )

    @jinja2.pass_eval_context
    def finalize(context: Any, value: Any) -> Any:
        if isinstance(value, Quoted | Markup | jinja2.Undefined) or context.autoescape or type(value) is int:
            return value
        raise TemplateMisuseError(f"a template inserts a {type(value).__name__} that no filter has quoted")

    made.finalize = finalize
    made.filters.update(filters)
    return made


def _variables(environment: "Environment", name: str, seen: frozenset[str] = frozenset()) -> set[str]:
    """The variables of a template and of what it includes, those in branches not taken among them."""
    from jinja2 import meta

    assert environment.loader is not None  # noqa: S101 - `_environment` sets it
    source, _, _ = environment.loader.get_source(environment, name)
    tree = environment.parse(source)
    found = set(meta.find_undeclared_variables(tree))
    for other in meta.find_referenced_templates(tree):
        if other is not None and other not in seen:
            found |= _variables(environment, other, seen | {name})
    return found
