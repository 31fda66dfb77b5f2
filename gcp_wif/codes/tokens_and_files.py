"""WIF2xx: the subject token. WIF3xx: files."""

from gcp_wif.codes.row import INPUT, Code

__all__ = ["TOKENS_AND_FILES"]

TOKENS_AND_FILES = (
    Code(
        "WIF201",
        "There is no subject token",
        "The variable that should hold the CI system's token is not set, or standard input is not a pipe. The CI "
        "system gives no token to this job (often one of a forked pull request), the job does not ask for one, or "
        "`sudo` or `docker run` did not pass the variable on.",
        (
            "Check that the CI system issues a token to this job.",
            "Name the variable with --token-env NAME (its name, not its value), or pipe the token: --token-stdin",
        ),
        INPUT,
    ),
    Code(
        "WIF202",
        "The subject token is empty",
        "The variable or file is there, but holds nothing. The CI system gave no token to this job: often it is one of "
        "a forked pull request, or runs on a machine where the token could not be written.",
        ("Check that the CI system issues a token to this job, and that the machine's temporary folder is writable.",),
        INPUT,
    ),
    Code(
        "WIF203",
        "The subject token is not a token",
        "A token is a JWT: three parts with dots between them. What was found is cut, has blanks or line ends in it, "
        "or is something else, such as a whole response or a variable's name.",
        (
            "Hand the token over exactly as it was issued.",
            "For a response in JSON use --token-response FILE --token-response-field NAME",
        ),
        INPUT,
    ),
    Code(
        "WIF204",
        "The subject token has expired",
        "The job lives longer than its token, or the token came from another job through a workspace or a cache.",
        (
            "Use the token of this job.",
            "In a long job ask for a fresh one: gcp-wif login --audience AUDIENCE, or let the client ask each time, "
            "with an executable source that calls `gcp-wif token`.",
        ),
        INPUT,
    ),
    Code(
        "WIF205",
        "The subject token is not valid yet, or has no expiry",
        "The clock of this machine is slow, or the token has no usable `exp`, `iat` or `nbf`.",
        (
            "Compare `date -u` with another machine's, and correct the clock.",
            "If the clock is right, take the token that the CI system itself issues.",
        ),
        INPUT,
    ),
    Code(
        "WIF206",
        "The subject token belongs to another organisation",
        "The organisation in the token is not the one that the job or the manifest names. The token came from "
        "elsewhere, or the organisation's ID in the manifest is wrong.",
        ("Use the token of this job, or correct the organisation in the manifest.",),
        INPUT,
    ),
    Code(
        "WIF207",
        "The response has no token where it was looked for",
        "The file is not JSON, has no such field, or the field is not text.",
        ("Name the field, with dots between the levels: --token-response-field response.id_token",),
        INPUT,
    ),
    Code(
        "WIF208",
        "The CI system's program for tokens cannot be run",
        "The CI system is asked for a fresh token, and the program that does so is not on this machine or cannot be "
        "run.",
        ("Run this inside a job. Elsewhere give a token with --token-env, --token-stdin or --token-response.",),
        INPUT,
    ),
    Code(
        "WIF209",
        "This looks like a job of two CI systems",
        "Variables of two CI systems are set, so it is not clear which one gives the token and reads the exports. "
        "Often one job starts another, or variables of one were copied into a container of the other.",
        ("Name the CI system: --ci NAME", "Or unset the variable that does not belong here."),
        INPUT,
    ),
    Code(
        "WIF210",
        "--ci names no CI system that is known",
        "--ci takes the name that a manifest has in [issuer] kind.",
        ("Take a name out of the message. For any other CI system: --ci oidc, and a token with --token-env NAME",),
        INPUT,
    ),
    Code(
        "WIF211",
        "There is nobody to ask for a token",
        "A fresh token is asked for, and no CI system was recognised, or this one gives a job no second token.",
        (
            "In a job of a CI system that gcp-wif knows, name that: --ci NAME",
            "Else give the token: --token-env NAME, --token-stdin or --token-response FILE",
        ),
        INPUT,
    ),
    Code(
        "WIF212",
        "It is not known for whom the token is",
        "The CI system makes a token for an audience, and no flag, manifest or credential config names one.",
        ("Give one of the provider's allowed audiences, or the provider's name: --audience AUD",),
        INPUT,
    ),
    Code(
        "WIF213",
        "--rule is not a pair of a name and a value",
        "--rule takes what each rule of the new manifest says, as in --rule branch=main.",
        ("Write NAME=VALUE, with a name that rules of this kind of issuer may use.",),
        INPUT,
    ),
    Code(
        "WIF214",
        "The address of the CI system's tokens is not one of its own",
        "A variable of the job names the server that gives tokens, and what is sent there is a secret of the job. The "
        "server is not the CI system's, or it would be reached without TLS. Somebody has changed the variable.",
        (
            "Look for what sets the variable in this job, and remove it.",
            "On a server of your own, check that the job's variables name that server.",
        ),
        INPUT,
    ),
    Code(
        "WIF301",
        "The path is not a regular file",
        "A folder, a device or a pipe is where a file is to be written.",
        ("Name a file, or remove what is in its place.",),
        INPUT,
    ),
    Code(
        "WIF302",
        "The path is a symbolic link, or runs through one",
        "A credential is never written through a link: whoever owns the link decides where the credential ends up.",
        ("Remove the link, or name its target.",),
        INPUT,
    ),
    Code(
        "WIF303",
        "The file cannot be read or written",
        "The folder does not belong to this user or is not writable, the disk is mounted read-only, or a file is where "
        "a folder should be. The message has the system's own reason.",
        ("Choose a folder of the job's own, such as one below $HOME. On a runner check the mount.",),
        INPUT,
    ),
    Code(
        "WIF304",
        "The disk is full",
        "There was no room, or a quota is used up. Nothing was replaced: earlier files are as they were.",
        ("Free some space, or choose a folder on another disk. See it: df -h",),
        INPUT,
    ),
    Code(
        "WIF305",
        "Another run of gcp-wif holds the file",
        "A parallel step writes the same file and does not end.",
        ("Look for a gcp-wif process that hangs and end it, then try again.",),
        INPUT,
    ),
    Code(
        "WIF306",
        "The file does not exist",
        "The path is misspelt, is relative to another folder, or the step that makes the file did not run.",
        ("Correct the path. For a credential config run `gcp-wif generate` first; for a manifest, `gcp-wif init`.",),
        INPUT,
    ),
    Code(
        "WIF307",
        "The file is not the one that is meant",
        "It is a folder or a device, or far larger than such a file ever is.",
        ("Correct the path.",),
        INPUT,
    ),
    Code(
        "WIF308",
        "There is no file that the job's next steps read",
        "Outside the CI system, or in a shell that is not bash, no file is known whose exports reach the next steps.",
        (
            "Name a file that you source: gcp-wif export --to FILE",
            'Or export for this shell alone: eval "$(gcp-wif login --to stdout)"',
        ),
        INPUT,
    ),
    Code(
        "WIF310",
        "The file exists already",
        "The command writes new files, and does not replace one that is there unless it is told to.",
        ("Add --force to replace it, or name another file.",),
        INPUT,
    ),
    Code(
        "WIF311",
        "A folder on the way belongs to another user",
        "The folder stands in one where everybody may make names, such as /tmp, and its owner is neither this user nor "
        "root. The owner could replace what is written in it.",
        ("Choose a folder of the job's own, such as one below $HOME.",),
        INPUT,
    ),
    Code(
        "WIF312",
        "There is no receipt of what login wrote",
        "`login` enters each file that it writes in a receipt in $HOME, and `logout` removes what it finds there. HOME "
        "is not set, or the receipt has another owner or mode, or is damaged, so it proves nothing.",
        (
            "Remove the receipt that the message names, then log in again.",
            "Remove the files by hand where they must go.",
        ),
        INPUT,
    ),
    Code(
        "WIF313",
        "The file belongs to another user",
        "In a folder with the sticky bit, such as /tmp, only the owner of a file may replace it.",
        ("Choose a folder of the job's own, such as one below $HOME.",),
        INPUT,
    ),
    Code(
        "WIF316",
        "The path cannot be the name of a file",
        "It holds a character that no file name can have, such as a NUL. A config or variable that was damaged is the "
        "likeliest cause.",
        ("Correct the path where it is written.",),
        INPUT,
    ),
    Code(
        "WIF320",
        "Docker's config cannot be read",
        "The file is not the JSON object that Docker takes, or has a key twice. It was left as it is: changing what is "
        "not understood could lose somebody's logins.",
        (
            "See what is wrong: docker --config FOLDER info, or python3 -m json.tool FILE",
            "Correct the file, or move it away, so that a new one is written.",
        ),
        INPUT,
    ),
)
