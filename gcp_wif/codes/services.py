"""WIF500, and WIF6xx: a service that does not answer. WIF501 and up are in `gcp_wif.refusals`."""

from gcp_wif.codes.row import DOWN, INPUT, NO, Code

__all__ = ["SERVICES"]

SERVICES = (
    Code(
        "WIF500",
        "Google refused with a sentence that gcp-wif does not know",
        "Google's own words are in the message; gcp-wif has no explanation for them.",
        (
            "Let the doctor look at the rest of the chain: gcp-wif doctor, or with admin rights gcp-wif doctor --live",
            "Report the sentence, so that the next version knows it.",
        ),
        NO,
    ),
    Code(
        "WIF601",
        "Google could not be reached",
        "The network, its name service, a firewall or a proxy is in the way. The files are written and the exports are "
        "valid.",
        (
            "Allow https to sts.googleapis.com and iamcredentials.googleapis.com.",
            "Behind a proxy set HTTPS_PROXY, and its certificate where it has one of its own.",
        ),
        DOWN,
    ),
    Code(
        "WIF602",
        "Google kept failing",
        "Google answered several times with an error of its own, or with something that is not an answer. Sometimes a "
        "proxy on the way does that.",
        ("Run the command again in a few minutes. It goes on from what is there.",),
        DOWN,
    ),
    Code(
        "WIF603",
        "The CI system gave no fresh token",
        "The CI system did not answer, or refused. Often the job is one of a forked pull request, or the machine's "
        "temporary folder is not writable.",
        ("Try again. Run the CI system's own command for a token by itself in the job: it says why.",),
        DOWN,
    ),
    Code(
        "WIF604",
        "A step of the demo failed",
        "The demo runs gcp-wif and real clients on this machine, and one of them failed. Its output is above.",
        ("Read the output above. Run the step's command by itself with -v.",),
        NO,
    ),
    Code(
        "WIF605",
        "A server's answer cannot be used",
        "The answer is far larger than Google's are, as sent or when it is decompressed, or it is damaged. Something "
        "between this machine and Google may have given it.",
        ("Check which server answers: a proxy, a captive portal or a wrong DNS entry.", "Run the command again."),
        DOWN,
    ),
    Code(
        "WIF606",
        "A server's answer did not end in time",
        "The server sends slower than any of Google's, or stopped in the middle.",
        ("Run the command again. If it stays so, check the proxy and the network of this machine.",),
        DOWN,
    ),
    Code(
        "WIF607",
        "The URL of the credential config gave no subject token",
        "The config names a URL that should answer with the token, and that server refused. Google was not asked.",
        ("Check `credential_source.url` and its headers in the config.",),
        NO,
    ),
    Code(
        "WIF608",
        "The CI system refuses this job a token",
        "The CI system was asked for a token and said no. The job may not have one, or it has ended, or what it was "
        "asked with is no longer valid.",
        (
            "Let the job have tokens: the message names the setting.",
            "Ask inside the job that the token is for, not in one that it has started elsewhere.",
        ),
        NO,
    ),
    Code(
        "WIF620",
        "The emulator could not write its CA's certificate",
        "The emulator's proxy makes a CA at each start, and clients read its certificate from a file in the temporary "
        "folder. That folder is read-only, full, or belongs to another user.",
        ("Set TMPDIR to a folder that this user may write to, or start the emulator without --proxy-port.",),
        INPUT,
    ),
)
