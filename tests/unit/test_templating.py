import base64
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gcp_wif
from gcp_wif import secrets
from gcp_wif.errors import InputError
from gcp_wif.templating import Quoted, TemplateMisuseError, render_page, render_template, templates_folder

ROOT = Path(__file__).parents[2]
FILTERS = {"quoted": lambda text: Quoted(f"'{text}'")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.txt").write_text("a [= a | quoted =] << b >> {{ c }} ${d} [[ -n $e ]]\n")
    (tmp_path / "branch.txt").write_text("[% if a %]\nyes\n[% else %]\n[= b | quoted =]\n[% endif %]\n")
    (tmp_path / "outer.txt").write_text("[% include 'one.txt' %]\n[# a comment #]\nend")
    (tmp_path / "page.html").write_text("<b>[= a =]</b>\n")
    (tmp_path / "bare.txt").write_text("[= a =]")
    (tmp_path / "number.txt").write_text("[= a =]\n\n")
    return tmp_path


def test_delimiters_of_the_targets_are_text(folder: Path) -> None:
    text = render_template("one.txt", {"a": "x"}, filters=FILTERS, folder=folder)
    assert text == "a 'x' << b >> {{ c }} ${d} [[ -n $e ]]\n"
    assert render_template("outer.txt", {"a": "x"}, filters=FILTERS, folder=folder) == text + "end"


@pytest.mark.parametrize("name", ["one.txt", "outer.txt", "branch.txt"])
def test_a_variable_without_a_value_is_an_error(folder: Path, name: str) -> None:
    with pytest.raises(TemplateMisuseError, match=r"undefined: (a|b)$"):
        render_template(name, {"a": "x"} if name == "branch.txt" else {}, filters=FILTERS, folder=folder)


@pytest.mark.parametrize("name", ["one.txt", "outer.txt"])
def test_a_value_that_is_not_used_is_an_error(folder: Path, name: str) -> None:
    with pytest.raises(TemplateMisuseError, match=r"unused: b, c$"):
        render_template(name, {"a": "x", "b": 1, "c": 2}, filters=FILTERS, folder=folder)


def test_an_attribute_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("[= a.b =]")
    with pytest.raises(TemplateMisuseError, match="no attribute 'b'"):
        render_template("x.txt", {"a": {}}, folder=tmp_path)


def test_what_no_filter_has_quoted_is_an_error(folder: Path) -> None:
    with pytest.raises(TemplateMisuseError, match="inserts a str that no filter"):
        render_template("bare.txt", {"a": "x"}, folder=folder)
    with pytest.raises(TemplateMisuseError, match="inserts a bool"):
        render_template("bare.txt", {"a": True}, folder=folder)
    (folder / "literal.txt").write_text("[= 'text' =]")
    with pytest.raises(TemplateMisuseError, match="inserts a str"):
        render_template("literal.txt", {}, folder=folder)
    assert render_template("bare.txt", {"a": Quoted("x")}, folder=folder) == "x"
    assert render_template("number.txt", {"a": 7}, folder=folder) == "7\n\n"


@given(st.text(alphabet="<>&'\"ab[=%#] "))
def test_html_is_escaped(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    import html

    folder = tmp_path_factory.getbasetemp()
    (folder / "page.html").write_text("<b>[= a =]</b>")
    found = render_template("page.html", {"a": text}, folder=folder)
    assert found.startswith("<b>")
    inner = found[3:-4]
    assert not set(inner) & set("<>'\"")
    assert html.unescape(inner) == text


def test_a_broken_template_says_which(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("[% if %]")
    with pytest.raises(TemplateMisuseError, match=r"x\.txt"):
        render_template("x.txt", {}, folder=tmp_path)
    with pytest.raises(TemplateMisuseError, match=r"nowhere\.txt"):
        render_template("nowhere.txt", {}, folder=tmp_path)


def test_the_packaged_folder_comes_first_and_a_checkouts_only_beside_pyproject(tmp_path: Path) -> None:
    package = tmp_path / "gcp_wif"
    package.mkdir()
    (tmp_path / "templates").mkdir()
    with pytest.raises(InputError) as caught:  # site-packages/templates is somebody else's
        templates_folder(package)
    assert caught.value.code == "WIF004"
    (tmp_path / "pyproject.toml").touch()
    assert templates_folder(package) == tmp_path / "templates"
    (package / "_templates").mkdir()
    assert templates_folder(package) == package / "_templates"


def test_here_they_are_the_checkouts() -> None:
    assert Path(gcp_wif.__file__).parents[1] == ROOT
    assert templates_folder() == ROOT / "templates"


def test_a_page_carries_its_style_and_names_its_hash(tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page/style.css").write_text("b { color: red }\n")
    (tmp_path / "one.html").write_text("[= style_hash =]<style>[= style =]</style><p>[= page.text | breakable =]</p>")
    text = render_page("one.html", {"text": "a/b-c <i> https://a.b/c.d"}, folder=tmp_path)
    digest = base64.b64encode(hashlib.sha256(b"b { color: red }\n").digest()).decode()
    assert f"sha256-{digest}<style>b {{ color: red }}\n</style>" in text
    assert "<p>a/<wbr>b-<wbr>c &lt;i&gt; https://a.b/<wbr>c.<wbr>d</p>" in text


def test_a_secret_is_hidden_on_a_page_where_lines_may_break(tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page/style.css").write_text("")
    (tmp_path / "one.html").write_text("[= style_hash =][= style =]<p>[= page | breakable =]</p>")
    secret = "opaque-secret/of.some_kind-0123456789"
    secrets.remember(secret)
    text = render_page("one.html", secret, folder=tmp_path)
    assert "0123456789" not in text
    assert secrets.HIDDEN in text
