"""The page's model: what the picture, the head and the tables say, before any template."""

import shlex
import subprocess

import pytest
from google_setup import ACCOUNT, PROJECT_ID, PROVIDER
from page_cases import CASES, HOSTILE, MAIN, NO_SSH, NOW, claims, healthy, provider

from gcp_wif.doctor import Evidence, diagnose
from gcp_wif.doctor.evidence import Binding
from gcp_wif.doctor.report import LINKS, Finding, LinkState, Report
from gcp_wif.doctor.view import PageModel, page_model
from gcp_wif.doctor.view.model import Station
from gcp_wif.doctor.view.tables import parts
from gcp_wif.doctor.view.text import cut, moment, safe, step
from gcp_wif.federation import SubExpression, trace_condition
from gcp_wif.limits import MAX_PAGE_ROWS

FLOW = ["token", "provider", "attributes", "condition", "principal", "binding", "account"]
BROKEN_AT = {
    "token-expired": "token", "issuer": "provider", "audience": "provider", "provider-missing": "provider",
    "mapping": "attributes", "subject": "attributes", "condition": "condition", "binding": "binding",
    "account-missing": "account", "api": "account", "manifest": "condition", "error-alone": "condition",
}  # fmt: skip


def model_of(evidence: Evidence) -> PageModel:
    return page_model(evidence, diagnose(evidence))


def station(model: PageModel, name: str) -> Station:
    return next(each for each in model.stations if each.name == name)


@pytest.mark.parametrize("name", CASES)
def test_every_link_is_in_the_picture_once_and_in_order(name: str) -> None:
    model = model_of(CASES[name])
    assert [each.name for each in model.stations] == FLOW
    assert tuple(link.name for each in model.stations for link in each.links) == LINKS
    words = {"fine": "holds", "broken": "broken", "unknown": "unknown", "skipped": "not reached"}
    assert all(words[link.mark] == link.word for each in model.stations for link in each.links)


@pytest.mark.parametrize("name", BROKEN_AT)
def test_the_finding_stands_at_its_station(name: str) -> None:
    model = model_of(CASES[name])
    first = next(each for each in model.stations if each.mark == "broken")
    assert first.name == BROKEN_AT[name]
    assert first.findings[0].message.startswith(model.lead.rstrip("."))
    assert len(model.lead) <= 140
    assert first.findings[0].steps
    assert model.mark == "broken"
    assert all(each.mark != "fine" for each in model.stations[FLOW.index(first.name) + 1 :])


def test_a_healthy_chain_shows_what_it_carries() -> None:
    model = model_of(healthy())
    assert (model.mark, model.verdict) == ("fine", "Every link holds")
    assert {each.mark for each in model.stations} == {"fine"}
    assert [(value.label, value.text) for value in station(model, "token").values][:2] == [
        ("ssh-rerun", "false"),
        ("vcs-ref", "refs/heads/main"),
    ]
    assert [(value.text, value.word) for value in station(model, "condition").values] == [
        ("ssh-rerun == false", "true"),
        ("vcs-ref == 'refs/heads/main'", "true"),
    ]
    assert station(model, "principal").values[0].text == f"attribute.project/{PROJECT_ID}"
    assert station(model, "binding").values[0] == (
        "roles/iam.workloadIdentityUser",
        f"attribute.project/{PROJECT_ID}",
        None,
        "",
    )
    assert [value.text for value in station(model, "account").values] == [ACCOUNT, "roles/run.developer"]


def test_the_head_says_whose_chain_it_is() -> None:
    facts = {fact.label: fact for fact in model_of(healthy()).facts}
    assert facts["Provider"][1:3] == ("circleci-acme", ("pool circleci, project number 123456789012",))
    assert facts["Account"].value == ACCOUNT
    assert facts["Token"].value == "CIRCLE_OIDC_TOKEN"
    (word, expires), *_ = facts["Token"].moments
    assert (word, expires.iso, expires.relation) == ("expires", "2027-01-15T08:56:00Z", "56 minutes after this report")
    assert facts["Google"].value == "Read live"
    assert model_of(CASES["token-expired"]).facts[2].moments[0][0] == "expired"
    assert model_of(CASES["manifest"]).facts[3].more == ("Judged by what the manifest would make.",)
    assert model_of(CASES["job-alone"]).facts[3].more == ("Judged by the job alone.",)
    assert model_of(CASES["direct"]).facts[1].value == "None: direct federation"
    assert [fact.known for fact in model_of(CASES["error-alone"]).facts] == [False] * 4


def test_what_was_not_seen_is_unknown_and_says_what_settles_it() -> None:
    model = model_of(CASES["job-alone"])
    assert model.mark == "unknown"
    assert [each.word for each in model.stations] == ["holds", *["unknown"] * 6]
    by_link = {each.link: each for each in model.unseen}
    assert any(f"providers describe {PROVIDER}" in each.command for each in by_link["provider"].steps)
    assert by_link["api"].message == "Whether the APIs are on shows in Google alone, to whoever may see it"
    assert by_link["api"].steps[0].command == "gcp-wif doctor --live"


def test_what_googles_answer_to_the_job_proves_is_said() -> None:
    accepted, refused = model_of(CASES["accepted"]), model_of(CASES["refused"])
    assert accepted.facts[3].more == ("It accepted the job's own exchange.",)
    assert refused.facts[3].more == ("It refused the job's own exchange.",)
    assert station(accepted, "binding").note == "Not seen, but proved by Google's answer."
    assert station(refused, "condition").note == "Not seen, but proved by Google's answer."
    assert refused.lead == "STS accepted the token, but its principal may not impersonate the account."
    assert [each.mark for each in refused.stations][-2:] == ["broken", "skipped"]
    assert all(each.values or each.note or each.findings for case in CASES.values() for each in model_of(case).stations)


def test_of_a_station_that_is_not_reached_no_part_is_judged() -> None:
    seen = healthy(claims=claims(aud="x", **{"oidc.circleci.com/vcs-ref": "refs/heads/dev"}), policy=None)
    report = diagnose(seen)
    skipped = Report(
        tuple(LinkState(each.name, "skipped") if each.name == "condition" else each for each in report.links),
        report.findings,
        trace=report.trace,
    )
    condition = station(page_model(seen, skipped), "condition")
    assert condition.mark == "skipped"
    assert {value.mark for value in condition.values} == {None}
    assert condition.values


def test_a_binding_that_fits_nobody_shows_whom_it_names() -> None:
    binding = station(model_of(CASES["binding"]), "binding")
    assert binding.values[0].text.startswith("attribute.project/99aa")
    assert binding.note == "None of these is this token."
    assert [(line.holder, line.resource) for line in model_of(healthy()).bindings.rows] == [
        ("this token", ACCOUNT),
        ("its account", "acme-prod"),
    ]


def judged(condition: str) -> list[tuple[str, str | None]]:
    held = {"a": "1", "b": False}
    return [(part.text, part.mark) for part in parts(trace_condition(condition, held, {}, {}))]


@pytest.mark.parametrize(
    ("condition", "red"),
    [
        ("assertion.a == '1' || assertion.a == '2'", []),
        ("!(assertion.b == true) && assertion.a == '2'", ["whole", "assertion.a == '2'"]),
        ("assertion.b == true", ["whole"]),
        ("(assertion.b) == (true)", ["whole"]),
        ("assertion.b || assertion.c == 'x'", ["whole", "assertion.b", "assertion.c == 'x'"]),
        ("assertion.a == '1' ? assertion.b : true", ["whole", "assertion.b"]),
    ],
)
def test_red_is_what_makes_the_whole_false(condition: str, red: list[str]) -> None:
    """D45: a false value inside a true part, and a value that is compared, are no reason."""
    assert [text for text, mark in judged(condition) if mark == "broken"] == [
        condition if each == "whole" else each for each in red
    ]


def test_a_part_without_a_value_says_why() -> None:
    (part,) = parts((SubExpression("assertion.x", 0, None, "no such key"),))
    assert (part.outcome, part.mark) == ("error: no such key", "broken")


def test_times_are_told_from_the_report() -> None:
    told = [moment(NOW + each, NOW) for each in (-200_000, -3600, -61, -1, 0, 5, 7200)]
    assert [each.relation for each in told if each] == [
        "2 days before this report",
        "1 hour before this report",
        "1 minute before this report",
        "1 second before this report",
        "at the time of this report",
        "5 seconds after this report",
        "2 hours after this report",
    ]
    assert moment(NOW, NOW) == ("2027-01-15T08:00:00Z", "15 Jan 2027, 08:00:00 UTC", "at the time of this report")
    assert [moment(each, NOW) for each in (True, "1", None, -1, 10**400, float("nan"))] == [None] * 6


def test_claims_that_are_times_and_claims_that_are_read() -> None:
    lines = {line.name: line for line in model_of(healthy()).claims.rows}
    assert lines["exp"].moment is not None
    assert lines["oidc.circleci.com/context-ids"].value == "[]"
    assert [name for name, line in lines.items() if line.read] == [
        "oidc.circleci.com/project-id",
        "oidc.circleci.com/ssh-rerun",
        "oidc.circleci.com/vcs-ref",
        "sub",
    ]


@pytest.mark.parametrize(
    ("line", "words", "command"),
    [
        ("gcp-wif doctor --live", "", "gcp-wif doctor --live"),
        ("or with admin rights: gcp-wif doctor --live", "or with admin rights", "gcp-wif doctor --live"),
        ("gcp-wif plan shows every difference, gcp-wif apply ends it.", None, ""),
        ("`gcp-wif apply` makes it, with create = true", None, ""),
        ("Where the clock is off, fix the runner's time.", None, ""),
        ("gcloud x --flag='unclosed", None, ""),
    ],
)
def test_commands_are_told_from_words(line: str, words: str | None, command: str) -> None:
    assert step(line) == (line if words is None else words, command)


def test_a_long_command_is_folded_as_a_shell_reads_it() -> None:
    quoted = shlex.quote("a == 'b' && c == 'x --project=1 y'")
    command = (
        f"gcloud iam workload-identity-pools providers update-oidc p --location=global --attribute-condition={quoted}"
    )
    shown = step(command).command
    assert shown.splitlines()[1] == "  --location=global \\"
    assert len(shown.splitlines()) == 3
    assert in_a_shell(shown) == in_a_shell(command)
    assert in_a_shell(shown)[-1] == "--attribute-condition=a == 'b' && c == 'x --project=1 y'"


def test_every_printed_command_survives_folding() -> None:
    lines = [line for case in CASES.values() for each in diagnose(case).findings for line in each.fix]
    found = [(line, step(line).command) for line in dict.fromkeys(lines)]
    folded = [(line, command) for line, command in found if "\n" in command]
    assert len(folded) > 5
    for line, command in folded:
        begin = min(line.index(name) for name in ("gcloud", "gcp-wif") if name in line)
        assert in_a_shell(safe(line[begin:])) == in_a_shell(command)


def in_a_shell(command: str) -> list[str]:
    """The words of a command as a real shell reads them, without where its output goes."""
    words = command.replace(" > ", " '>' ")
    done = subprocess.run(["sh", "-c", f"printf '%s\\0' {words}"], capture_output=True, check=True, env={})
    return done.stdout.decode().split("\0")[:-1]


def test_a_glance_is_bounded() -> None:
    model = model_of(CASES["huge"])
    texts = [text for each in model.stations for value in each.values for text in (value.label, value.text)]
    assert max(map(len, texts)) <= 110
    assert station(model, "attributes").more == 200
    assert cut("a\n b") == "a b"
    assert cut("/home/x/token", 6, end=True) == "…token"


def test_no_text_of_the_model_turns_the_writing_round_or_holds_a_token() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
    for text in (HOSTILE, token):
        seen = healthy(
            claims=claims(x=text, sub=[text]) | {text: text},
            provider_state=provider(attributeCondition=f"{NO_SSH} && {MAIN} && assertion.x == {text!r}"),
            sentence=text,
            token_origin=text,
            identity=text,
            project=text,
        )
        shown = str(model_of(seen))
        assert "\u202e" not in shown
        assert "\x1b" not in shown
        assert "eyJ" not in shown


def test_advice_is_told_in_the_lead() -> None:
    model = model_of(CASES["advice"])
    assert model.mark == "fine"
    assert "1 thing should not be so, though it works" in model.lead
    assert [each.mark for each in model.advice] == ["advice"]


def test_a_finding_without_sides() -> None:
    report = Report((), (Finding("WIF991", "token", "unknown", "No token.", fix=("gcp-wif doctor",)),))
    (unseen,) = page_model(Evidence(NOW), report).unseen
    assert (unseen.code, unseen.steps[0].command) == ("WIF991", "gcp-wif doctor")


def test_a_page_holds_a_bounded_number_of_rows() -> None:
    members = tuple(f"user:{number}@example.com" for number in range(MAX_PAGE_ROWS))
    own = healthy().policy or ()
    model = model_of(healthy(policy=(Binding("roles/iam.workloadIdentityUser", members), *own)))
    assert (len(model.bindings.rows), model.bindings.more) == (MAX_PAGE_ROWS, 2)
    assert model.bindings.total == MAX_PAGE_ROWS + 2
    assert model.bindings.rows[0].holder == "this token"


def test_of_a_projects_policy_only_what_concerns_the_chain_is_shown() -> None:
    project = (Binding("roles/owner", ("user:a@example.com", f"serviceAccount:{ACCOUNT}")),)
    for seen in (healthy(project_policy=project), healthy(project_policy=project, policy=None)):
        assert "user:a@example.com" not in str(model_of(seen).bindings)
    direct = healthy(project_policy=project, direct=True, account=None, policy=None)
    assert "user:a@example.com" in str(model_of(direct).bindings)
