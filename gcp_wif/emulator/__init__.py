"""Google's side of workload identity federation on loopback, for tests and for the demo.

    from gcp_wif.emulator import Emulator

    with Emulator() as google:
        google.provision(provider, issuer=…, mapping={…}, accounts={email: [member]})
        token = google.token()
        login = ["gcp-wif", "login", "--token-env", "TOKEN"]
        subprocess.run(login, env=environ | google.environ() | {"TOKEN": token})

It refuses what Google refuses, in Google's words.
"""

from gcp_wif.emulator.emulator import Emulator
from gcp_wif.emulator.transport.ports import PortError

__all__ = ["Emulator", "PortError"]
