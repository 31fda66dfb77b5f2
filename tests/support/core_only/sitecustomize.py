"""On the path of a process, it makes what the extras bring go missing: what a job has is the core install alone."""

import sys
from importlib.abc import MetaPathFinder

_EXTRAS = (
    "cel_expr_python",
    "google.cloud",
    "google.iam",
    "grpc",
    "joserfc",
    "junitparser",
    "trustme",
    "werkzeug",
    "yaml",
)


class _Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if any(name == each or name.startswith(f"{each}.") for each in _EXTRAS):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, _Missing())
