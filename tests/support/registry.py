"""Debian's docker-registry on loopback, behind a token server that believes access tokens of the emulator alone.

It is the flow of the Docker Registry's token specification: the registry sends a client to the realm, the realm takes
the client's password (an access token of Google's, for the user ``oauth2accesstoken``) and answers with a JWT that the
registry checks by itself.
"""

import base64
import contextlib
import http.server
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jwk, jwt

_SERVICE, _ISSUER = "the test's registry", "the test's realm"


@contextlib.contextmanager
def registry(program: str, folder: Path, admits: Callable[[str], bool], name: str | None = None) -> Iterator[str]:
    """``localhost:PORT`` of a registry that admits whoever has an access token that ``admits`` likes.

    With a host's ``name`` it speaks TLS as that host, by a CA in ``root.pem`` of the folder.
    """
    authority = trustme.CA()
    leaf = authority.issue_cert("realm.example")
    authority.cert_pem.write_to_path(str(folder / "root.pem"))
    chain = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).public_bytes(Encoding.DER)
    key = jwk.ECKey.import_key(leaf.private_key_pem.bytes())
    header = {"alg": "ES256", "typ": "JWT", "x5c": [base64.b64encode(chain).decode()]}

    class Realm(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            scheme, _, given = self.headers.get("Authorization", "").partition(" ")
            user, _, password = base64.b64decode(given).decode().partition(":") if scheme == "Basic" else ("", "", "")
            if user != "oauth2accesstoken" or not admits(password):
                self._answer(401, {"details": "not admitted"})
                return
            now = int(time.time())
            claims: dict[str, Any] = {"iss": _ISSUER, "sub": user, "aud": _SERVICE, "jti": str(now)}
            claims |= {"iat": now, "nbf": now - 60, "exp": now + 300, "access": []}
            for scope in parse_qs(urlsplit(self.path).query).get("scope", []):
                kind, name, actions = scope.split(":")
                claims["access"].append({"type": kind, "name": name, "actions": actions.split(",")})
            self._answer(200, {"token": jwt.encode(header, claims, key, algorithms=["ES256"])})

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Realm) as realm, socket.socket() as free:
        threading.Thread(target=realm.serve_forever, daemon=True).start()
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        document: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
            "http": {"addr": f"127.0.0.1:{port}"},
            "auth": {
                "token": {
                    "realm": f"http://localhost:{realm.server_port}/token", "service": _SERVICE, "issuer": _ISSUER,
                    "rootcertbundle": str(folder / "root.pem"),
                }
            },
        }  # fmt: skip
        if name is not None:
            own = authority.issue_cert(name)
            own.private_key_and_cert_chain_pem.write_to_path(str(folder / "own.pem"))
            document["http"]["tls"] = dict.fromkeys(("certificate", "key"), str(folder / "own.pem"))
            document["http"]["host"] = f"https://{name}"
        (folder / "registry.yml").write_text(json.dumps(document))  # JSON is YAML
        process = subprocess.Popen(
            [program, "serve", str(folder / "registry.yml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _wait(port, process)
            yield f"localhost:{port}"
        finally:
            process.terminate()
            process.wait(20)
            realm.shutdown()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"docker-registry does not listen; exit code {process.poll()}")


def image(folder: Path) -> None:
    """An image without layers, as an OCI layout (image-layout.md)."""
    import hashlib

    def blob(data: bytes, kind: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)
        (folder / "blobs/sha256" / digest).write_bytes(data)
        return {
            "mediaType": f"application/vnd.oci.image.{kind}.v1+json",
            "digest": f"sha256:{digest}",
            "size": len(data),
        }

    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, "config": {}}
    described = blob(json.dumps(config).encode(), "config")
    manifest = {"schemaVersion": 2, "config": described, "layers": []}
    manifest["mediaType"] = "application/vnd.oci.image.manifest.v1+json"
    index = {"schemaVersion": 2, "manifests": [blob(json.dumps(manifest).encode(), "manifest")]}
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps(index))
