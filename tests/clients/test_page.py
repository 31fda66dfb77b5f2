"""The doctor's page in Chromium, at both widths and in both colour schemes, judged by axe-core.

Everything is looked at in one run of the browser; the tests read what was found. One page is spoilt on purpose, so that
a judge who sees nothing is found out.
"""

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from page_cases import CASES, HOSTILE

from gcp_wif.doctor import diagnose
from gcp_wif.doctor.page import page

pytestmark = [
    pytest.mark.client,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]  # one look at everything, on a busy machine

BROWSER = Path(__file__).parents[1] / "support" / "browser"
PROVES = "that the doctor's page reads well in a browser and on a screen reader"
WIDE, NARROW = 1280, 390
SCHEMES = ("light", "dark")
EVERY = [(width, scheme) for width in (WIDE, NARROW) for scheme in SCHEMES]
BOTH = [(WIDE, "light"), (NARROW, "dark")]
THOROUGH = ("healthy", "condition", "job-alone", "advice")
"""Looked at in every combination; the others once at each width and once in each scheme, which is half the work."""

SPOILT, BARE = "spoilt", "bare"
SHOTS = "GCP_WIF_PAGE_SHOTS"
"""Names a folder for pictures and prints of every page, for people."""

View = dict[str, Any]


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory, require_client: Callable[..., str]) -> list[View]:
    """What the browser found, by whichever worker came first."""
    programs = [require_client(name, proves=PROVES) for name in ("chromium", "node", "npm")]
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (shared / "page.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = shared / "page.json"
        if not kept.exists():
            kept.write_text(looked(tmp_path_factory.mktemp("browser"), *programs))
    found: list[View] = json.loads(kept.read_text())
    return found


def looked(folder: Path, chromium: str, node: str, npm: str) -> str:
    """Installs the judges, makes every page and looks at it."""
    for name in ("package.json", "package-lock.json", ".npmrc", "look.mjs"):
        shutil.copy(BROWSER / name, folder)
    install = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--cache", str(folder / "cache")]
    subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=240)
    pages = {name: page(evidence, diagnose(evidence)) for name, evidence in CASES.items()}
    pages |= {SPOILT: spoilt(pages["condition"]), BARE: bare(pages["condition"])}
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text)
    listed = [
        {"name": name, "file": str(folder / f"{name}.html"), "views": EVERY if name in THOROUGH else BOTH}
        for name in pages
    ]
    (folder / "plan.json").write_text(json.dumps({"pages": listed, "shots": os.environ.get(SHOTS) or None}))
    command = [node, str(folder / "look.mjs"), chromium, str(folder / "plan.json")]
    env = {"HOME": str(folder), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def spoilt(text: str) -> str:
    """The page with something for every judge, and no policy to hold it back."""
    box = '<div class="spilled">wide</div><img src="http://127.0.0.1:9/x"><script>1</script>'
    changes = {
        '<html lang="en">': "<html>",
        '<meta http-equiv="Content-Security-Policy"': "<meta ",
        "<main>": f"<main>{box}",
        "<style>": "<style>.spilled { width: 2000px; font-size: 9px; } ",
        ".soft { color: var(--soft); }": ".soft { color: #999; }",
    }
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new, 1)
    return text


def bare(text: str) -> str:
    """The page with a style that is not the one of its policy, and with a script."""
    return text.replace("<style>", "<style>b { color: red } ", 1).replace("<main>", "<main><script>1</script>", 1)


def of(views: list[View], name: str, width: int = WIDE) -> View:
    return next(each for each in views if (each["name"], each["width"]) == (name, width))


def good(views: list[View]) -> list[View]:
    found = [each for each in views if each["name"] in CASES]
    assert len(found) == len(CASES) * 2 + len(THOROUGH) * 2
    return found


def test_axe_finds_nothing(views: list[View]) -> None:
    assert {each["name"]: each["violations"] for each in good(views) if each["violations"]} == {}
    assert min(each["passes"] for each in good(views)) > 20


def test_nothing_is_wider_than_the_window(views: list[View]) -> None:
    for each in good(views):
        assert each["spilled"] == [], each["name"]
        assert each["scroll"] == each["wide"] == each["width"], each["name"]


def test_nothing_is_loaded_and_nothing_complains(views: list[View]) -> None:
    """The page's own policy refuses a style that is not the one whose hash it names: the page would be bare."""
    for each in good(views):
        assert each["asked"] == []
        assert each["said"] == []
        assert each["styled"]


def test_each_scheme_has_its_ground_and_paper_is_white(views: list[View]) -> None:
    grounds = {scheme: {each["ground"] for each in good(views) if each["scheme"] == scheme} for scheme in SCHEMES}
    assert grounds == {"light": {"rgb(244, 245, 247)"}, "dark": {"rgb(13, 16, 20)"}}
    assert {each["printed"]["ground"] for each in good(views)} == {"rgb(255, 255, 255)"}
    assert {each["printed"]["folded"] for each in good(views)} == {0}


def test_no_text_is_too_small(views: list[View]) -> None:
    assert min(each["smallest"] for each in good(views)) >= 11.5


def test_the_picture_is_a_row_when_wide_and_a_column_when_narrow(views: list[View]) -> None:
    for name in CASES:
        wide = of(views, name)["stations"]
        assert len({box["y"] for box in wide}) == 1
        assert [box["x"] for box in wide] == sorted({box["x"] for box in wide})
        narrow = of(views, name, NARROW)["stations"]
        assert len({box["x"] for box in narrow}) == 1
        assert [box["y"] for box in narrow] == sorted({box["y"] for box in narrow})


@pytest.mark.parametrize("name", ["condition", "binding", "provider-missing", "subject", "token-expired"])
def test_the_finding_is_beside_the_broken_link_and_on_the_first_screen(views: list[View], name: str) -> None:
    wide, narrow = of(views, name), of(views, name, NARROW)
    assert wide["finding"]["y"] < 760
    broken = next(box for box in wide["stations"] if box["state"] == "broken")
    assert 0 <= wide["finding"]["y"] - (broken["y"] + broken["height"]) < 30
    assert broken["width"] > 1.4 * min(box["width"] for box in wide["stations"])
    below = next(box for box in narrow["stations"] if box["state"] == "broken")
    assert 0 <= narrow["finding"]["y"] - (below["y"] + below["height"]) < 30


def test_state_is_told_by_word_and_shape(views: list[View]) -> None:
    shapes: dict[str, set[str]] = {}
    for view in good(views):
        for box in view["stations"]:
            shapes.setdefault(box["state"], set()).add((box["word"], box["shape"]))
    assert {state: {word for word, _ in told} for state, told in shapes.items()} == {
        "fine": {"holds"}, "broken": {"broken"}, "unknown": {"unknown"}, "skipped": {"not reached"},
    }  # fmt: skip
    drawn = [{shape for _, shape in told} for told in shapes.values()]
    assert all(len(each) == 1 for each in drawn)
    assert len(set.union(*drawn)) == len(shapes)


def test_hostile_text_is_text(views: list[View]) -> None:
    for each in views:
        if each["name"] == "hostile":
            assert each["strangers"] == []
            assert HOSTILE.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b") in each["claims"]


def test_the_judges_see_what_is_wrong(views: list[View]) -> None:
    bad = of(views, SPOILT)
    rules = {each.partition(":")[0] for each in bad["violations"]}
    assert {"html-has-lang", "image-alt", "color-contrast"} <= rules
    assert "DIV.spilled" in bad["spilled"]
    assert bad["scroll"] > bad["wide"]
    assert bad["smallest"] == 9
    assert bad["asked"] == ["http://127.0.0.1:9/x"]
    assert bad["strangers"] == ["IMG", "SCRIPT"]


def test_the_pages_policy_holds_back_what_is_not_its_own(views: list[View]) -> None:
    stripped = of(views, BARE)
    assert not stripped["styled"]
    assert any("inline style" in each for each in stripped["said"])
    assert any("inline script" in each for each in stripped["said"])
