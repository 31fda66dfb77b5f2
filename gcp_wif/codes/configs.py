"""WIF4xx: the credential config. WIF40x end a command, WIF45x are findings of `check`."""

from gcp_wif.codes.row import INPUT, NO, Code

__all__ = ["CONFIGS"]

_AGAIN = "Write it again: gcp-wif generate --config-only"

CONFIGS = (
    Code(
        "WIF401",
        "The credential config is not JSON",
        "The file is cut, was edited by hand, is nested without end, or is another file.",
        (_AGAIN,),
        INPUT,
    ),
    Code(
        "WIF402",
        "A field of the credential config is missing or not valid",
        "No client library can use the config as it is. The message names the field.",
        (_AGAIN,),
        INPUT,
    ),
    Code(
        "WIF403",
        "The file is not a credential config for federation",
        "Its `type` is not external_account: it is a service account key or a person's credentials, which are secrets "
        "that live long, or another JSON file. gcp-wif neither uses nor removes it.",
        ("Name the credential config. To make one: gcp-wif generate", "If a key was committed, revoke it."),
        INPUT,
    ),
    Code(
        "WIF404",
        "Google's library cannot use the config or the token",
        "google-auth refused it before it sent anything, or Google's answer does not fit the config. The message has "
        "its own words.",
        (_AGAIN, "Then look at each field: gcp-wif check FILE"),
        INPUT,
    ),
    Code(
        "WIF405",
        "The config would send the token to somebody else than Google",
        "One of the config's URLs is not Google's. Nothing was sent.",
        (
            "Look at who changed the file. " + _AGAIN,
            "For a sovereign cloud name its domain with --universe-domain; for the emulator set GCP_WIF_EMULATOR_HOST.",
        ),
        INPUT,
    ),
    Code(
        "WIF406",
        "The credential config runs a program that is not gcp-wif",
        "Each client library that reads the config would run that program in the job.",
        (
            "If you know the program, add --allow-executable.",
            'This program needs no flag, but its absolute path: --executable-command="$(command -v gcp-wif) token '
            '--executable-response"',
        ),
        INPUT,
    ),
    Code(
        "WIF407",
        "The credential config says something that was not looked at",
        "It has a field that gcp-wif does not know, or one that comes twice. A client library may read another address "
        "for the token out of it.",
        ("Remove the field, or write the config again: gcp-wif generate",),
        INPUT,
    ),
    Code(
        "WIF408",
        "The credential config asks an unsafe URL for the token",
        "The URL is neither https nor on this machine, so whoever is on the way could read the token or give another.",
        ("Use an https URL. Plain http is for loopback and for 169.254.169.254 alone.",),
        INPUT,
    ),
    Code(
        "WIF450",
        "`check` was given no file",
        "`check` looks at the files that it is given, and none was named.",
        ("Name the credential configs and manifests: gcp-wif check FILE…",),
        INPUT,
    ),
    Code(
        "WIF451",
        "There is a secret in the file",
        "Something in it looks like a key, a token or a password. The message does not show it.",
        (
            "Revoke the secret: whoever has read the file can use it.",
            "Then take it out of the file and of the repository's history.",
        ),
        NO,
    ),
    Code(
        "WIF452",
        "The file begins with a byte order mark",
        "An editor saved it as UTF-8 with a mark, which client libraries refuse.",
        ("Save it as UTF-8 without a byte order mark.",),
        NO,
    ),
    Code(
        "WIF453",
        "A field is there twice",
        "Client libraries differ in which of the two they use, so a reviewer may read one and a job use the other.",
        ("Remove one of them.",),
        NO,
    ),
    Code(
        "WIF454",
        "A URL of the config is not Google's",
        "Whoever uses this config sends the job's token there.",
        ("Look at who changed the file. " + _AGAIN,),
        NO,
    ),
    Code(
        "WIF455",
        "The config runs a program",
        "Wherever the config is used, the program in it runs with the rights of the job.",
        ("Use a file or URL source. Where the program is meant and known: gcp-wif check --allow-executable",),
        NO,
    ),
    Code(
        "WIF456",
        "A path in the config is not absolute",
        "It depends on the folder that a program happens to run in, and no client library expands a tilde.",
        ("Write an absolute path, such as /tmp/oidc_token.",),
        NO,
    ),
    Code(
        "WIF457",
        "The token is fetched without encryption",
        "The URL source begins with http:// and is not on this machine, so anybody on the way can read the token.",
        ("Use https, or an address of this machine.",),
        NO,
    ),
    Code(
        "WIF458",
        "The token's field name is a path",
        "Client libraries look at the top level of the JSON alone, for a field with exactly this name.",
        ("Write the token flat: gcp-wif generate --token-response FILE --token-response-field NAME.NAME",),
        NO,
    ),
    Code(
        "WIF459",
        "The config differs from the manifest",
        "The manifest or the config was changed without the other.",
        ("gcp-wif generate --config-only --manifest gcp-wif.toml --identity NAME --output-file FILE",),
        NO,
    ),
    Code(
        "WIF460",
        "The manifest has no identity for this config",
        "The config's service account is in none of the manifest's identities.",
        ("Add the identity to the manifest, or correct the account in the config.",),
        NO,
    ),
    Code(
        "WIF461",
        "The credential config is for another universe",
        "`universe_domain` names a cloud other than the one that was asked for, and tokens are sent to that cloud.",
        ("For a sovereign cloud of Google's name it: --universe-domain DOMAIN", "Otherwise write the config again."),
        NO,
    ),
    Code(
        "WIF462",
        "The file is not UTF-8",
        "It is in another encoding, or holds damaged bytes. Client libraries refuse it, or read something else.",
        ("Save the file as UTF-8.",),
        NO,
    ),
    Code(
        "WIF463",
        "An address in the credential config is not a known one",
        "Tokens, or the headers of the config, could be sent there.",
        ("Remove the field and find out who added it.", "A host of your own is accepted with --allow-host HOST"),
        NO,
    ),
    Code(
        "WIF464",
        "The credential config has a field that is not known",
        "It is misspelt, or belongs to another kind of credential. A client library may read it differently.",
        ("Correct its name, or remove it.",),
        NO,
    ),
    Code(
        "WIF465",
        "A URL names a user, or cannot be read",
        "What stands before an @ in a URL is a user and a password, not the host: such a URL leads elsewhere than it "
        "seems to, or holds a secret.",
        ("Write https://HOST/PATH, without a user or a password.",),
        NO,
    ),
    Code(
        "WIF466",
        "The token's path is not a token file",
        "The path leads into /proc or /dev, where a process keeps its environment and its open files, or cannot be the "
        "name of a file. A client would send what it finds there as a token.",
        ("Write the path of the token file.",),
        NO,
    ),
    Code(
        "WIF468",
        "A number in the credential config is out of range",
        "Clients and Google refuse lifetimes and timeouts outside of their limits.",
        ("Write a number in the range that the message names.",),
        NO,
    ),
)
