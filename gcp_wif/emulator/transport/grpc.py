"""The gRPC side: IAM Admin, IAM Credentials and Resource Manager for Google's own Python clients.

A message becomes the JSON of the REST method, the same handler answers, and its JSON becomes a message again (protobuf
JSON mapping, which is how Google's own REST front end works). So both sides refuse the same things on the same state,
and count through the same fault plan.

The message types are those of Google's clients. They are imported at the first call, because importing them takes
longer than everything else that the emulator does at its start.
"""

import importlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from gcp_wif.emulator.model.errors import ApiError, StsError
from gcp_wif.emulator.model.faults import status_name
from gcp_wif.emulator.services import iam_accounts, iam_credentials, resource_manager
from gcp_wif.emulator.services.gateway import Dropped, Gateway, Handler, Planned, Request
from gcp_wif.emulator.transport.ports import listening_on

__all__ = ["serve_grpc"]

_ADMIN = "google.iam.admin.v1.IAM"
_CREDENTIALS = "google.iam.credentials.v1.IAMCredentials"
_PROJECTS = "google.cloud.resourcemanager.v3.Projects"
_ADMIN_TYPES = "google.cloud.iam_admin_v1.types"
_CREDENTIALS_TYPES = "google.cloud.iam_credentials_v1.types"
_PROJECT_TYPES = "google.cloud.resourcemanager_v3.types"
_POLICY_TYPES = "google.iam.v1.iam_policy_pb2"
_POLICY = "google.iam.v1.policy_pb2:Policy"
_EMPTY = "google.protobuf.empty_pb2:Empty"
_ACCOUNT_NAME = re.compile(r"projects/(?P<project>[^/]+)/serviceAccounts/(?P<account>[^/]+)")
_PROJECT_NAME = re.compile(r"projects/(?P<project>[^/]+)")
_WORKERS = 64  # a planned latency sleeps in its worker, and clients call side by side


@dataclass(frozen=True)
class _Method:
    """One gRPC method: its call, its types as ``module:Class``, and the field that holds the resource's name."""

    call: str
    handler: Handler
    takes: str
    gives: str
    name: str
    pattern: re.Pattern[str]


def _methods() -> dict[str, _Method]:
    table: dict[str, _Method] = {}

    def add(service: str, method: str, call: str, handler: Handler, types: tuple[str, str], name: str = "name") -> None:
        takes_project = service == _PROJECTS or method in {"CreateServiceAccount", "ListServiceAccounts"}
        pattern = _PROJECT_NAME if takes_project else _ACCOUNT_NAME
        table[f"/{service}/{method}"] = _Method(call, handler, *types, name, pattern)

    account = f"{_ADMIN_TYPES}:ServiceAccount"
    accounts: list[tuple[str, Handler, str, str]] = [
        ("ListServiceAccounts", iam_accounts.list_accounts, f"{_ADMIN_TYPES}:ListServiceAccountsResponse", "name"),
        ("GetServiceAccount", iam_accounts.get, account, "name"),
        ("CreateServiceAccount", iam_accounts.create, account, "name"),
        ("PatchServiceAccount", iam_accounts.patch, account, "serviceAccount.name"),
        ("DeleteServiceAccount", iam_accounts.delete, _EMPTY, "name"),
        ("UndeleteServiceAccount", iam_accounts.undelete, f"{_ADMIN_TYPES}:UndeleteServiceAccountResponse", "name"),
        ("EnableServiceAccount", iam_accounts.enable, _EMPTY, "name"),
        ("DisableServiceAccount", iam_accounts.disable, _EMPTY, "name"),
    ]
    for method, handler, gives, name in accounts:
        verb = method.removesuffix("ServiceAccounts").removesuffix("ServiceAccount").lower()
        call = f"iam.projects.serviceAccounts.{verb}"
        add(_ADMIN, method, call, handler, (f"{_ADMIN_TYPES}:{method}Request", gives), name)
    # The request of UpdateServiceAccount is the account itself.
    add(_ADMIN, "UpdateServiceAccount", "iam.projects.serviceAccounts.update", iam_accounts.update, (account, account))
    policies: list[tuple[str, str, tuple[Handler, Handler, Handler]]] = [
        (
            _ADMIN,
            "iam.projects.serviceAccounts",
            (iam_accounts.get_iam_policy, iam_accounts.set_iam_policy, iam_accounts.test_iam_permissions),
        ),
        (
            _PROJECTS,
            "cloudresourcemanager.projects",
            (resource_manager.get_policy_of, resource_manager.set_policy_of, resource_manager.tested_on),
        ),
    ]
    for service, api, handlers in policies:
        for method, handler, gives in zip(
            ("GetIamPolicy", "SetIamPolicy", "TestIamPermissions"),
            handlers,
            (_POLICY, _POLICY, f"{_POLICY_TYPES}:TestIamPermissionsResponse"),
            strict=True,
        ):
            call = f"{api}.{method[0].lower()}{method[1:]}"
            add(service, method, call, handler, (f"{_POLICY_TYPES}:{method}Request", gives), "resource")
    for method, handler in [
        ("GenerateAccessToken", iam_credentials.generate_access_token),
        ("GenerateIdToken", iam_credentials.generate_id_token),
    ]:
        types = (f"{_CREDENTIALS_TYPES}:{method}Request", f"{_CREDENTIALS_TYPES}:{method}Response")
        call = f"iamcredentials.projects.serviceAccounts.{method[0].lower()}{method[1:]}"
        add(_CREDENTIALS, method, call, handler, types)
    get = (f"{_PROJECT_TYPES}:GetProjectRequest", f"{_PROJECT_TYPES}:Project")
    search = (f"{_PROJECT_TYPES}:SearchProjectsRequest", f"{_PROJECT_TYPES}:SearchProjectsResponse")
    add(_PROJECTS, "GetProject", "cloudresourcemanager.projects.get", resource_manager.get_v3, get)
    add(_PROJECTS, "SearchProjects", "cloudresourcemanager.projects.search", resource_manager.search_v3, search, "")
    return table


class _Service(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in its stubs alone
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._methods = _methods()

    def service(self, handler_call_details: Any) -> Any:
        """The handler of one call; ``None``, which is UNIMPLEMENTED, for a method that there is not."""
        method = self._methods.get(handler_call_details.method)
        if method is None:
            self._gateway.refused(Request("GRPC", handler_call_details.method), 501)
            return None
        metadata = dict(handler_call_details.invocation_metadata or ())
        authorization = str(metadata.get("authorization", ""))
        path = handler_call_details.method

        def answer(data: bytes, context: grpc.ServicerContext) -> bytes:
            return self._answer(method, path, authorization, data, context)

        return grpc.unary_unary_rpc_method_handler(answer)

    def _answer(
        self, method: _Method, path: str, authorization: str, data: bytes, context: grpc.ServicerContext
    ) -> bytes:
        try:
            message = _message(method.takes)
            message.ParseFromString(data)
            arguments, request = _request(method, path, authorization, message)
            found = self._gateway.run(method.call, method.handler, request, arguments)
            gives = _message(method.gives)
            json_format.ParseDict(found, gives)
            return bytes(gives.SerializeToString())
        except ApiError as error:
            self._abort(context, error)
        except StsError as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, error.body["error_description"])
        except Planned as planned:
            context.abort(grpc.StatusCode[status_name(planned.status)], "planned")
        except Dropped as dropped:
            # What grpcio says for a connection that breaks (observed with 1.85).
            context.abort(grpc.StatusCode.UNAVAILABLE, f"Socket closed ({dropped})")
        except (DecodeError, json_format.Error):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Request contains an invalid argument.")
        except Exception as error:
            if type(error) is not Exception:  # which is what grpcio's own abort raises
                self._gateway.crashes.append(type(error).__name__)
            raise

    @staticmethod
    def _abort(context: grpc.ServicerContext, error: ApiError) -> NoReturn:
        from google.rpc import error_details_pb2, status_pb2

        status = status_pb2.Status(code=grpc.StatusCode[error.status].value[0], message=error.message)
        for detail in error.details:
            kind = error_details_pb2.DESCRIPTOR.message_types_by_name[detail["@type"].rpartition(".")[2]]
            packed = getattr(error_details_pb2, kind.name)()
            json_format.ParseDict({key: value for key, value in detail.items() if key != "@type"}, packed)
            status.details.add().Pack(packed)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode[error.status], error.message)


def _request(method: _Method, path: str, authorization: str, message: Message) -> tuple[dict[str, str], Request]:
    """The path's arguments and the REST request that the message stands for.

    Raises:
        ApiError: INVALID_ARGUMENT where the resource's name has another shape.
    """
    body: dict[str, Any] = json_format.MessageToDict(message)
    holder = body
    *outer, field = method.name.split(".")
    for name in outer:
        holder = holder.get(name, {})
    resource = str(holder.get(field, "")) if field else ""
    if field and not outer:
        body.pop(field, None)
    match = method.pattern.fullmatch(resource) if field else None
    if field and match is None:
        raise ApiError("INVALID_ARGUMENT", f"Invalid resource name {resource[:200]!r}.")
    arguments = match.groupdict() if match else {}
    query: dict[str, str] = {each: str(body.pop(each)) for each in ("pageSize", "pageToken", "query") if each in body}
    options = body.get("options")
    if method.call == "iam.projects.serviceAccounts.getIamPolicy":
        body.pop("options", None)
        if isinstance(options, dict) and "requestedPolicyVersion" in options:
            query["options.requestedPolicyVersion"] = str(options["requestedPolicyVersion"])
    return arguments, Request("GRPC", path, authorization, query, body)


def _message(name: str) -> Any:
    """An empty message of the type ``module:Class``, as plain protobuf."""
    module, _, kind = name.partition(":")
    found = getattr(importlib.import_module(module), kind)
    return found.pb()() if hasattr(found, "pb") else found()


def serve_grpc(gateway: Gateway, port: int) -> tuple[Any, int]:
    """Serve on 127.0.0.1; ``port`` 0 takes a free one. Answers the server and its port.

    Raises:
        PortError: the port cannot be had.
    """
    server = grpc.server(
        ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="gcp-wif-emulator-grpc"),
        handlers=[_Service(gateway)],
        options=(("grpc.so_reuseport", 0),),  # else a second emulator would share the port, and half of the calls
    )
    with listening_on(port):
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, bound
