"""Google's discovery documents as an oracle: what is asked and what is answered over HTTP, held to Google's schemas.

The documents are those that google-api-python-client carries. `Oracle` stands between the emulator's server and its
application, so it sees what any client sends and what that client gets.
"""

import io
import json
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import googleapiclient
import jsonschema

from gcp_wif.emulator import Emulator

DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache/documents"
APIS = (
    "iamcredentials.v1", "iam.v1", "sts.v1", "cloudresourcemanager.v1", "cloudresourcemanager.v2",
    "cloudresourcemanager.v3", "cloudasset.v1", "storage.v1", "bigquery.v2", "serviceusage.v1",
)  # fmt: skip
_FREE = ("/token", "/oauth2/", "/service_accounts/", "/robot/")
"""Paths of Google's that stand in no discovery document; each is described on a page of its own."""
_TYPES = {"string": "string", "boolean": "boolean", "integer": "integer", "number": "number", "object": "object"}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "status"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string"},
                "status": {"type": "string"},
                "details": {"type": "array", "items": {"type": "object", "required": ["@type"]}},
            },
        }
    },
}


@cache
def _document(api: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCUMENTS / f"{api}.json").read_text())
    return found


@cache
def methods() -> dict[str, tuple[str, dict[str, Any]]]:
    """Every method of the APIs by its ID, with the API."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}

    def walk(api: str, node: dict[str, Any]) -> None:
        for method in node.get("methods", {}).values():
            found[f"{api}/{method['id']}"] = (api, method)
        for child in node.get("resources", {}).values():
            walk(api, child)

    for api in APIS:
        walk(api, _document(api))
    return found


def find(verb: str, path: str) -> tuple[str, dict[str, Any]] | None:
    """The method for a request, such as ``GET /v1/projects/p``."""
    for api, method in methods().values():
        if method["httpMethod"] != verb or (api.startswith("cloudresourcemanager") and api[-2:] != path[1:3]):
            continue
        template = _document(api)["servicePath"] + (method.get("flatPath") or method["path"])
        pattern = re.sub(r"\\\{\w+\\\}", "[^/:]+", re.escape(template))
        # Content goes and comes beside the API's own paths (``mediaUpload``, ``useMediaDownloadService``).
        before = "/upload" if "mediaUpload" in method else ""
        before += "(?:/download)?" if method.get("useMediaDownloadService") else ""
        if re.fullmatch(f"{before}/{pattern}", path):
            return api, method
    return None


def _schema(api: str, node: dict[str, Any], seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """A discovery schema as JSON Schema, with unknown fields refused."""
    if "$ref" in node:
        if node["$ref"] in seen:
            return {}
        return _schema(api, _document(api)["schemas"][node["$ref"]], (*seen, node["$ref"]))
    kind = node.get("type")
    if kind == "array":
        return {"type": "array", "items": _schema(api, node["items"], seen)}
    if kind == "object":
        properties = {name: _schema(api, child, seen) for name, child in node.get("properties", {}).items()}
        rest: Any = _schema(api, node["additionalProperties"], seen) if "additionalProperties" in node else False
        return {"type": "object", "properties": properties, "additionalProperties": rest}
    if kind not in _TYPES:
        return {}
    made: dict[str, Any] = {"type": _TYPES[kind]}
    if "enum" in node:
        made["enum"] = node["enum"]
    return made


class Oracle:
    """Watches an emulator; `violations` says what Google's schemas do not know."""

    def __init__(self, emulator: Emulator) -> None:
        self.violations: list[str] = []
        self.seen: set[str] = set()
        server = emulator._server
        self._application = server.app
        server.app = self

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = unquote(environ["PATH_INFO"])
        if not path.startswith(("/v1/", "/v3/", "/storage/", "/upload/", "/bigquery/")):
            return self._application(environ, start_response)
        sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(sent)
        status: list[int] = []

        def start(line: str, headers: Any, *rest: Any) -> Any:
            status.append(int(line.split(maxsplit=1)[0]))
            return start_response(line, headers, *rest)

        answer = b"".join(self._application(environ, start))
        self._check(environ, path, sent, status[0], answer)
        return [answer]

    def _check(self, environ: dict[str, Any], path: str, sent: bytes, status: int, answer: bytes) -> None:
        verb = environ["REQUEST_METHOD"]
        body = json.loads(answer or b"{}")
        if path == "/v1/introspect":  # in no discovery document; described on a page of its own
            return
        found = find(verb, path)
        if found is None:
            self.violations.append(f"{verb} {path}: no such method")
            return
        api, method = found
        self.seen.add(method["id"])
        known = {*method.get("parameters", {}), *_document(api)["parameters"]}
        for name, _ in parse_qsl(environ.get("QUERY_STRING", "")):
            if name not in known:
                self.violations.append(f"{method['id']}: unknown parameter {name}")
        is_json = "json" in environ.get("CONTENT_TYPE", "")
        if sent and is_json and status == 200:
            schema = _schema(api, method["request"]) if "request" in method else {"maxProperties": 0}
            self._validate(f"request of {method['id']}", json.loads(sent), schema)
        if status >= 300:
            if api != "sts.v1":
                self._validate(f"refusal of {method['id']}", body, _ERROR)
            return
        self._validate(f"answer of {method['id']}", body, _answer_schema(api, method))

    def _validate(self, what: str, value: Any, schema: dict[str, Any]) -> None:
        for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
            self.violations.append(f"{what}: {error.json_path}: {error.message[:300]}")


def _answer_schema(api: str, method: dict[str, Any]) -> dict[str, Any]:
    if "response" not in method:
        return {"maxProperties": 0}
    made = _schema(api, method["response"])
    if api == "sts.v1":  # OAuth's own names, which the discovery document writes in camel case (RFC 8693, 2.2.1)
        made["properties"] |= {name: {} for name in ("access_token", "issued_token_type", "token_type", "expires_in")}
    return made
