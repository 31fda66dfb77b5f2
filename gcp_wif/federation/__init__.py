"""How Google decides: a token and a provider in, a decision with its trace out. Pure.

The emulator answers by it and the doctor explains by it, so that both mean the same. What is Google's documented
behaviour, what was observed and what is assumed stands at each step.
"""

from gcp_wif.federation.access import Access, Binding, Held, Question, Scope, bindings_of, decide_access
from gcp_wif.federation.compiler import CompiledFederation, compile_manifest
from gcp_wif.federation.decision import Decision, ProviderRules, Step
from gcp_wif.federation.evaluation import evaluate
from gcp_wif.federation.expressions import extract
from gcp_wif.federation.iam_conditions import Target, condition_holds, condition_may_hold
from gcp_wif.federation.lint import ProviderProblem, lint_provider
from gcp_wif.federation.token import SKEW_SECONDS, check_token
from gcp_wif.federation.trace import SubExpression, trace_condition

__all__ = [
    "SKEW_SECONDS",
    "Access",
    "Binding",
    "CompiledFederation",
    "Decision",
    "Held",
    "ProviderProblem",
    "ProviderRules",
    "Question",
    "Scope",
    "Step",
    "SubExpression",
    "Target",
    "bindings_of",
    "check_token",
    "compile_manifest",
    "condition_holds",
    "condition_may_hold",
    "decide_access",
    "evaluate",
    "extract",
    "lint_provider",
    "trace_condition",
]
