"""Google's REST paths and the calls behind them, by the method IDs of the discovery documents."""

from functools import partial

from werkzeug.routing import Map, Rule

from gcp_wif.emulator.services import (
    asset,
    bigquery,
    certificates,
    iam_accounts,
    iam_credentials,
    iam_pools,
    iam_roles,
    oauth2,
    org_policies,
    resource_manager,
    service_usage,
    storage,
    sts,
)
from gcp_wif.emulator.services.gateway import Handler

__all__ = ["google_routes", "storage_xml_routes"]

_ACCOUNTS = "/v1/projects/<project>/serviceAccounts"
_POOLS = "/v1/projects/<project>/locations/<location>/workloadIdentityPools"
_PROVIDERS = f"{_POOLS}/<pool>/providers"

_NODES = (("v2", "folders"), ("v3", "folders"), ("v1", "organizations"), ("v3", "organizations"))
"""What may be above a project, and in which versions of Resource Manager gcloud and we ask for it."""

_Row = tuple[str, str, str, Handler]

_TOKENS: list[_Row] = [
    ("POST", "/v1/token", "sts.token", sts.exchange),
    ("POST", "/v1/introspect", "sts.introspect", sts.introspect),
    *(
        ("POST", f"{_ACCOUNTS}/<account>:{verb}", f"iamcredentials.projects.serviceAccounts.{verb}", handler)
        for verb, handler in [
            ("generateAccessToken", iam_credentials.generate_access_token),
            ("generateIdToken", iam_credentials.generate_id_token),
            ("signBlob", iam_credentials.sign_blob),
            ("signJwt", iam_credentials.sign_jwt),
        ]
    ),
]

_ACCOUNT_VERBS: list[_Row] = [
    ("POST", "", "create", iam_accounts.create),
    ("GET", "", "list", iam_accounts.list_accounts),
    ("GET", "/<account>", "get", iam_accounts.get),
    ("PATCH", "/<account>", "patch", iam_accounts.patch),
    ("PUT", "/<account>", "update", iam_accounts.update),
    ("DELETE", "/<account>", "delete", iam_accounts.delete),
    ("POST", "/<account>:undelete", "undelete", iam_accounts.undelete),
    ("POST", "/<account>:enable", "enable", iam_accounts.enable),
    ("POST", "/<account>:disable", "disable", iam_accounts.disable),
    ("POST", "/<account>:getIamPolicy", "getIamPolicy", iam_accounts.get_iam_policy),
    ("POST", "/<account>:setIamPolicy", "setIamPolicy", iam_accounts.set_iam_policy),
    ("POST", "/<account>:testIamPermissions", "testIamPermissions", iam_accounts.test_iam_permissions),
]
_ACCOUNT_CALLS: list[_Row] = [
    (method, _ACCOUNTS + rest, f"iam.projects.serviceAccounts.{verb}", handler)
    for method, rest, verb, handler in _ACCOUNT_VERBS
]

_POOL_VERBS: list[_Row] = [
    ("POST", _POOLS, "create", iam_pools.create),
    ("GET", _POOLS, "list", iam_pools.list_pools),
    ("GET", f"{_POOLS}/<pool>", "get", iam_pools.get),
    ("PATCH", f"{_POOLS}/<pool>", "patch", iam_pools.patch),
    ("DELETE", f"{_POOLS}/<pool>", "delete", iam_pools.delete),
    ("POST", f"{_POOLS}/<pool>:undelete", "undelete", iam_pools.undelete),
    ("GET", f"{_POOLS}/<pool>/operations/<operation>", "operations.get", iam_pools.operation),
    ("POST", _PROVIDERS, "providers.create", iam_pools.create),
    ("GET", _PROVIDERS, "providers.list", iam_pools.list_providers),
    ("GET", f"{_PROVIDERS}/<provider>", "providers.get", iam_pools.get),
    ("PATCH", f"{_PROVIDERS}/<provider>", "providers.patch", iam_pools.patch),
    ("DELETE", f"{_PROVIDERS}/<provider>", "providers.delete", iam_pools.delete),
    ("POST", f"{_PROVIDERS}/<provider>:undelete", "providers.undelete", iam_pools.undelete),
    ("GET", f"{_PROVIDERS}/<provider>/operations/<operation>", "providers.operations.get", iam_pools.operation),
]
_POOL_CALLS: list[_Row] = [
    (method, path, f"iam.projects.locations.workloadIdentityPools.{verb}", handler)
    for method, path, verb, handler in _POOL_VERBS
]

_PROJECT_CALLS: list[_Row] = [
    ("GET", "/v1/projects", "cloudresourcemanager.projects.list", resource_manager.list_v1),
    ("GET", "/v1/projects/<project>", "cloudresourcemanager.projects.get", resource_manager.get_v1),
    ("GET", "/v3/projects:search", "cloudresourcemanager.projects.search", resource_manager.search_v3),
    ("GET", "/v3/projects/<project>", "cloudresourcemanager.projects.get", resource_manager.get_v3),
    *(
        ("POST", f"/{version}/projects/<project>:{verb}", f"cloudresourcemanager.projects.{verb}", handler)
        for version in ("v1", "v3")
        for verb, handler in [
            ("getIamPolicy", resource_manager.get_policy_of),
            ("setIamPolicy", resource_manager.set_policy_of),
            ("testIamPermissions", resource_manager.tested_on),
        ]
    ),
    ("POST", "/v1/projects/<project>:getAncestry", "cloudresourcemanager.projects.getAncestry",
     resource_manager.ancestry),
    *(
        ("GET", f"/{version}/{kind}/<node>", f"cloudresourcemanager.{kind}.get",
         partial(resource_manager.get_node, kind=kind, version=version))
        for version, kind in _NODES
    ),
    *(
        ("POST", f"/{version}/{kind}/<node>:{verb}", f"cloudresourcemanager.{kind}.{verb}", partial(handler, kind=kind))
        for version, kind in _NODES
        for verb, handler in [
            ("getIamPolicy", resource_manager.get_node_policy),
            ("setIamPolicy", resource_manager.set_node_policy),
        ]
    ),
]  # fmt: skip

_ORG_POLICY_CALLS: list[_Row] = [
    ("POST", f"/v1/{kind}:{verb}", f"cloudresourcemanager.{kind.partition('/')[0]}.{verb}", handler)
    for kind, verb, handler in [
        ("projects/<project>", "getEffectiveOrgPolicy", org_policies.effective),
        ("organizations/<node>", "getOrgPolicy", org_policies.get),
        ("organizations/<node>", "setOrgPolicy", org_policies.set_policy),
    ]
]

_ROLE_CALLS: list[_Row] = [
    ("GET", "/v1/roles/<role>", "iam.roles.get", iam_roles.get),
    ("GET", "/v1/projects/<project>/roles/<role>", "iam.projects.roles.get", iam_roles.get_of_project),
    (
        "GET",
        "/v1/organizations/<organization>/roles/<role>",
        "iam.organizations.roles.get",
        iam_roles.get_of_organization,
    ),
]

_SERVICE_CALLS: list[_Row] = [
    ("GET", "/v1/projects/<project>/services", "serviceusage.services.list", service_usage.list_services),
    ("GET", "/v1/projects/<project>/services:batchGet", "serviceusage.services.batchGet", service_usage.batch_get),
    (
        "POST",
        "/v1/projects/<project>/services:batchEnable",
        "serviceusage.services.batchEnable",
        service_usage.batch_enable,
    ),
    ("GET", "/v1/projects/<project>/services/<service>", "serviceusage.services.get", service_usage.get),
    ("POST", "/v1/projects/<project>/services/<service>:enable", "serviceusage.services.enable", service_usage.enable),
]


_METADATA = "/service_accounts/v1"

_OTHERS: list[_Row] = [
    ("POST", "/token", "oauth2.token", oauth2.exchange_assertion),
    ("GET", "/oauth2/v1/certs", "www.certs", certificates.google_certificates),
    ("GET", "/oauth2/v3/certs", "www.certs", certificates.google_keys),
    ("GET", f"{_METADATA}/metadata/x509/<account>", "www.accountCerts", certificates.account_certificates),
    ("GET", f"{_METADATA}/metadata/jwk/<account>", "www.accountCerts", certificates.account_keys),
    ("GET", f"{_METADATA}/jwk/<account>", "www.accountCerts", certificates.account_keys),
    ("GET", "/robot/v1/metadata/x509/<account>", "www.accountCerts", certificates.account_certificates),
    ("GET", "/storage/v1/b", "storage.buckets.list", storage.list_buckets),
    ("GET", "/storage/v1/b/<bucket>", "storage.buckets.get", storage.get_bucket),
    ("GET", "/storage/v1/b/<bucket>/o", "storage.objects.list", storage.list_objects),
    ("GET", "/storage/v1/b/<bucket>/o/<path:object>", "storage.objects.get", storage.get_object),
    ("GET", "/download/storage/v1/b/<bucket>/o/<path:object>", "storage.objects.get", storage.read_object),
    ("DELETE", "/storage/v1/b/<bucket>/o/<path:object>", "storage.objects.delete", storage.delete_object),
    ("POST", "/upload/storage/v1/b/<bucket>/o", "storage.objects.insert", storage.insert_object),
    ("GET", "/bigquery/v2/projects/<project>/datasets", "bigquery.datasets.list", bigquery.list_datasets),
    *(
        ("GET", f"/v1/{kind}/<scope>:{verb}", f"cloudasset.{verb}", partial(handler, kind=kind))
        for kind in ("projects", "folders", "organizations")
        for verb, handler in [
            ("searchAllIamPolicies", asset.search_policies),
            ("searchAllResources", asset.search_resources),
        ]
    ),
]


_STORAGE_XML: list[_Row] = [("GET", "/<bucket>/<path:object>", "storage.objects.get", storage.read_object)]


def google_routes() -> Map:
    """The routing map; an endpoint is ``(method ID, handler)``."""
    return _map(
        [
            *_TOKENS,
            *_ACCOUNT_CALLS,
            *_POOL_CALLS,
            *_ROLE_CALLS,
            *_PROJECT_CALLS,
            *_ORG_POLICY_CALLS,
            *_SERVICE_CALLS,
            *_OTHERS,
        ]
    )


def storage_xml_routes() -> Map:
    """What ``storage.googleapis.com`` serves besides: there any other path is a bucket's."""
    return _map(_STORAGE_XML)


def _map(rows: list[_Row]) -> Map:
    rules = [Rule(path, methods=[method], endpoint=(name, handler)) for method, path, name, handler in rows]
    return Map(rules, strict_slashes=False, merge_slashes=False)
