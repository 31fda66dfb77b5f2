"""The calls of provisioning, one method each: no retry, no decision.

Pools and providers go over REST with google-auth's AuthorizedSession, because no Google Python client has them;
accounts and their policies through google-cloud-iam; projects and their policies through
google-cloud-resource-manager. Every failure is a ``google.api_core`` exception, whichever way the call went, or one
of requests' where no answer came.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import grpc
import requests
from google.api_core import exceptions
from google.auth import credentials as auth_credentials
from google.auth.transport.requests import AuthorizedSession, Request
from google.cloud import iam_admin_v1, resourcemanager_v3
from google.iam.v1 import iam_policy_pb2, options_pb2, policy_pb2

from gcp_wif import limits, secrets
from gcp_wif.endpoints import EMULATOR_GRPC_VARIABLE, Endpoints
from gcp_wif.errors import InputError
from gcp_wif.http import BoundedAdapter, BoundedRetry, Bounds, bounded
from gcp_wif.names import PoolName, ProviderName

__all__ = ["Clients", "Policy"]

Policy = policy_pb2.Policy
_POLICY_VERSION = 3
"""The only version that shows conditions, so that writing a policy back loses none (IAM, "Policy versions")."""


class Clients:
    """Google's APIs as one admin sees them.

    Args:
        endpoints: Google's, or the emulator's.
        credentials: the admin's; on the emulator they may be anonymous.
        timeout: seconds for one request.

    Raises:
        InputError: WIF811 where only the HTTP side of an emulator is known.
    """

    def __init__(self, endpoints: Endpoints, credentials: auth_credentials.Credentials, timeout: float) -> None:
        self._endpoints = endpoints
        self._timeout = timeout
        self._credentials = credentials
        bounds = Bounds(limits.ADMIN_ANSWER_BYTES, timeout)
        proxies = not endpoints.emulator  # a proxy has no way to this machine's loopback
        retry = BoundedRetry(3, backoff_factor=0.4, redirect=0)
        self._refresh = Request(bounded(requests.Session(), BoundedAdapter(bounds, retry), proxies=True))
        self._session = AuthorizedSession(credentials, auth_request=self._refresh)
        bounded(self._session, BoundedAdapter(bounds, connections=(4, 32)), proxies=proxies)
        self._accounts, self._projects = _grpc_clients(endpoints, credentials, self._refresh)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
        self._refresh.session.close()
        self._accounts.transport.close()
        self._projects.transport.close()

    # Pools and providers

    def get(self, name: str) -> dict[str, Any]:
        """A pool, a provider or an operation by its resource name."""
        return self._call("GET", name)

    def list_pools(self, project: str) -> Iterator[dict[str, Any]]:
        """The pools of a project, deleted ones too."""
        parent = f"projects/{project}/locations/global/workloadIdentityPools"
        return self._pages(parent, "workloadIdentityPools", size=1000)

    def list_providers(self, pool: str) -> Iterator[dict[str, Any]]:
        """The providers of a pool, deleted ones too."""
        return self._pages(f"{pool}/providers", "workloadIdentityPoolProviders", size=100)

    def create_pool(self, name: PoolName, body: Mapping[str, Any]) -> dict[str, Any]:
        """Start creating; answers the operation."""
        parent = f"projects/{name.project_number}/locations/global/workloadIdentityPools"
        return self._call("POST", parent, {"workloadIdentityPoolId": name.pool_id}, body)

    def create_provider(self, name: ProviderName, body: Mapping[str, Any]) -> dict[str, Any]:
        """Start creating; answers the operation."""
        query = {"workloadIdentityPoolProviderId": str(name.provider_id)}
        return self._call("POST", f"{name.pool}/providers", query, body)

    def patch(self, name: str, body: Mapping[str, Any], mask: tuple[str, ...]) -> dict[str, Any]:
        """Start changing the fields of ``mask`` of a pool or provider; answers the operation."""
        return self._call("PATCH", name, {"updateMask": ",".join(mask)}, body)

    def undelete(self, name: str) -> dict[str, Any]:
        """Start bringing back a pool or provider; answers the operation."""
        return self._call("POST", f"{name}:undelete", body={})

    def delete(self, name: str) -> dict[str, Any]:
        """Start deleting a pool or provider, for 30 days; answers the operation."""
        return self._call("DELETE", name)

    # Roles are read by `get`, too. What is above a project, and which APIs are on:

    def ancestors(self, project: str) -> list[str]:
        """``folders/N`` and ``organizations/N`` above a project, the nearest first."""
        base = self._endpoints.resource_manager_v1
        answer = self._call("POST", f"projects/{project}:getAncestry", body={}, base=base)
        found = [each.get("resourceId") or {} for each in answer.get("ancestor", [])]
        return [f"{each.get('type')}s/{each.get('id')}" for each in found if each.get("type") != "project"]

    def get_node_policy(self, node: str) -> dict[str, Any]:
        """The policy of ``folders/N`` or ``organizations/N``."""
        options = {"options": {"requestedPolicyVersion": _POLICY_VERSION}}
        return self._call("POST", f"{node}:getIamPolicy", body=options, base=self._endpoints.resource_manager)

    def services(self, project: str, names: Iterable[str]) -> dict[str, bool]:
        """Whether APIs are on in a project given by ID or number."""
        query = {"names": [f"projects/{project}/services/{each}" for each in names]}
        base = self._endpoints.service_usage
        answer = self._call("GET", f"projects/{project}/services:batchGet", query, base=base)
        found = {str(each.get("name")).rpartition("/")[2]: each.get("state") for each in answer.get("services", [])}
        return {name: state == "ENABLED" for name, state in found.items()}

    # Accounts and projects

    def get_account(self, resource: str) -> iam_admin_v1.ServiceAccount:
        """An account by its resource name."""
        found: iam_admin_v1.ServiceAccount = self._rpc(self._accounts.get_service_account, {"name": resource})
        return found

    def list_accounts(self, project: str) -> list[iam_admin_v1.ServiceAccount]:
        """The accounts of a project."""
        request = {"name": f"projects/{project}", "page_size": 100}
        found: list[iam_admin_v1.ServiceAccount] = []
        for number, page in enumerate(self._rpc(self._accounts.list_service_accounts, request).pages):
            if number == limits.PAGES:
                raise _endless(f"projects/{project}/serviceAccounts")
            found += page.accounts
        return found

    def create_account(self, project: str, account_id: str, display_name: str, description: str) -> None:
        """Create an account."""
        account = {"display_name": display_name, "description": description}
        request = {"name": f"projects/{project}", "account_id": account_id, "service_account": account}
        self._rpc(self._accounts.create_service_account, request)

    def patch_account(self, resource: str, fields: Mapping[str, str]) -> None:
        """Change ``display_name`` and ``description``, those that are given."""
        account = {"name": resource, **fields}
        request = {"service_account": account, "update_mask": {"paths": list(fields)}}
        self._rpc(self._accounts.patch_service_account, request)

    def delete_account(self, resource: str) -> None:
        """Delete an account, for 30 days."""
        self._rpc(self._accounts.delete_service_account, {"name": resource})

    def get_project(self, project: str) -> tuple[str, str]:
        """ID and number of the project with this ID or number."""
        request = {"name": f"projects/{project}"}
        found = self._rpc(self._projects.get_project, request)
        return found.project_id, found.name.removeprefix("projects/")

    def get_policy(self, resource: str) -> Policy:
        """The policy of ``projects/P`` or ``projects/P/serviceAccounts/EMAIL``, conditions included."""
        options = options_pb2.GetPolicyOptions(requested_policy_version=_POLICY_VERSION)
        request = iam_policy_pb2.GetIamPolicyRequest(resource=resource, options=options)
        client: Any = self._accounts if "/serviceAccounts/" in resource else self._projects
        found: Policy = self._rpc(client.get_iam_policy, request)
        return found

    def set_policy(self, resource: str, policy: Policy) -> Policy:
        """Write a policy whose etag is the one it was read with."""
        request = iam_policy_pb2.SetIamPolicyRequest(resource=resource, policy=policy)
        client: Any = self._accounts if "/serviceAccounts/" in resource else self._projects
        written: Policy = self._rpc(client.set_iam_policy, request)
        return written

    def _rpc(self, call: Callable[..., Any], request: Any) -> Any:
        """One gRPC call. Its token is fetched here, within bounds: the library would fetch it without any."""
        if not self._credentials.valid and not isinstance(self._credentials, auth_credentials.AnonymousCredentials):
            self._credentials.refresh(self._refresh)
        secrets.remember(self._credentials.token)
        return call(request=request, retry=None, timeout=self._timeout)

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        base: str | None = None,
    ) -> dict[str, Any]:
        response = self._session.request(
            method,
            f"{base or self._endpoints.iam}/{path}",
            params=query,
            json=body,
            timeout=self._timeout,
            max_allowed_time=self._timeout,
            allow_redirects=False,
        )
        if response.status_code != 200:
            raise exceptions.from_http_response(response)
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise exceptions.BadGateway("the answer is not a JSON object")
        return answer

    def _pages(self, path: str, field: str, *, size: int) -> Iterator[dict[str, Any]]:
        query = {"pageSize": str(size), "showDeleted": "true"}
        for _ in range(limits.PAGES):
            answer = self._call("GET", path, query)
            yield from answer.get(field, [])
            if not answer.get("nextPageToken"):
                return
            query["pageToken"] = answer["nextPageToken"]
        raise _endless(path)


def _endless(path: str) -> exceptions.GoogleAPICallError:
    return exceptions.DataLoss(f"the list {path} did not end after {limits.PAGES} pages")


class _Bearer(grpc.UnaryUnaryClientInterceptor):  # type: ignore[type-arg]  # generic in its stubs alone
    """Sends the credentials' token over the emulator's plain channel, which gRPC's own call credentials refuse."""

    def __init__(self, credentials: auth_credentials.Credentials, request: Request) -> None:
        self._credentials = credentials
        self._request = request

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        headers: dict[str, str] = {}
        self._credentials.before_request(self._request, "POST", "", headers)
        metadata = [*(details.metadata or ()), *((name.lower(), value) for name, value in headers.items())]
        return continuation(details._replace(metadata=metadata), request)


_CHANNEL_LIMITS = (("grpc.max_receive_message_length", limits.ADMIN_ANSWER_BYTES),)


def _grpc_clients(
    endpoints: Endpoints, credentials: auth_credentials.Credentials, request: Request
) -> tuple[iam_admin_v1.IAMClient, resourcemanager_v3.ProjectsClient]:
    from google.cloud.iam_admin_v1.services.iam.transports import IAMGrpcTransport
    from google.cloud.resourcemanager_v3.services.projects.transports import ProjectsGrpcTransport

    if not endpoints.emulator:
        options = {"universe_domain": endpoints.universe}
        return (
            iam_admin_v1.IAMClient(
                credentials=credentials, client_options=options, transport=_limited(IAMGrpcTransport)
            ),
            resourcemanager_v3.ProjectsClient(
                credentials=credentials, client_options=options, transport=_limited(ProjectsGrpcTransport)
            ),
        )
    if not endpoints.emulator_grpc:
        raise InputError(
            f"The emulator's gRPC side is not known: {EMULATOR_GRPC_VARIABLE} is unset.",
            hint="`gcp-wif emulator` prints both addresses when it is ready; set both variables.",
            code="WIF811",
        )
    address = endpoints.emulator_grpc

    def channel() -> Any:
        plain = grpc.insecure_channel(address, options=(*_CHANNEL_LIMITS, ("grpc.enable_http_proxy", 0)))
        anonymous = isinstance(credentials, auth_credentials.AnonymousCredentials)
        return plain if anonymous else grpc.intercept_channel(plain, _Bearer(credentials, request))

    return (
        iam_admin_v1.IAMClient(transport=IAMGrpcTransport(channel=channel())),
        resourcemanager_v3.ProjectsClient(transport=ProjectsGrpcTransport(channel=channel())),
    )


def _limited(transport: Any) -> Callable[..., Any]:
    """The client library's transport, which by itself takes messages of any size, with a limit."""

    def channel(host: str, **rest: Any) -> Any:
        return transport.create_channel(host, **{**rest, "options": _CHANNEL_LIMITS})

    return functools.partial(transport, channel=channel)
