"""The limits of what gcp-wif reads, waits for and shows: one place, so that a reviewer sees them side by side.

Plain constants; no imports. Sizes are bytes or characters, times are seconds.
"""

ANSWER_BYTES = 1 << 20
"""The largest answer to one request of a job's exchange, as sent and as decoded. Google's have at most some 10 KiB."""

ADMIN_ANSWER_BYTES = 10 << 20
"""The largest answer to one request of an admin, as sent and as decoded. A full page of providers has about 2 MiB."""

ANSWER_CHUNK_BYTES = 16 * 1024
"""How much of an answer is read, or decompressed, at a time."""

ANSWER_SECONDS = 90.0
"""The longest that one request of a job's exchange may take, with its retries, until the last byte was read. Retries
alone take about half a minute; Google answers within a second."""

SILENCE_SECONDS = 10.0
"""The longest that a server of a job's exchange may say nothing, at any point."""

PAGES = 1_000
"""The most pages of one list: a server that always names a next one is not followed for ever."""

MESSAGE_CHARACTERS = 8_000
"""The longest message of an error, after which it is cut."""

OUTSIDE_CHARACTERS = 2_000
"""The longest text of a server that is repeated in a message, after which it is cut."""

MAX_TOKEN_BYTES = 32 * 1024
"""The largest token that is accepted, in bytes. Real ones have 1 to 3 KiB; the bound keeps a wrong file out."""

TOKEN_RESPONSE_BYTES = 1 << 20
"""The largest file that a token is read from: JSON may have much beside the token."""

CLAIMS_BYTES = 64 * 1024
"""The largest file of claims that is read in place of a token: twice what the largest token holds, for white space."""

SECRET_CHARACTERS = 64 * 1024
"""How much of one secret is searched for in the output. The largest subject token that is accepted has half of it."""

SECRETS = 500
"""How many secrets are searched for, of the process's own and again of those in documents; beyond, the older half of
that kind is forgotten. A job handles about five, an agent one an hour."""

SECRET_FRAGMENT = 12
"""The shortest piece of a secret that is hidden, in characters, white space apart: less is no use to anybody."""

SECRET_WHOLE = 6
"""The shortest secret that is searched for at all: hiding shorter ones would blank out ordinary words."""

ASK_SECONDS = 30.0
"""How long a program or a server of the CI system may take to give a token, with all retries; a job that waits longer
looks hung."""

TELL_SECONDS = 5.0
"""How long a program of the CI system may take to be told a secret that it is to hide; it talks to its own machine."""

ASK_RETRIES = 3
"""How often a server of the CI system is asked again after a failure that passes."""

ASK_RETRY_AFTER_SECONDS = 10
"""The longest pause that such a server can ask for."""

LOCK_SECONDS = 20.0
"""How long to wait for another run of gcp-wif that writes the same file: far longer than any such write takes."""

MAX_PROVEN_BYTES = 1 << 20
"""The largest file whose content `logout` compares with the receipt; what login writes is far smaller."""

MAX_EMULATED_OBJECTS = 10_000
"""How many objects the emulator's Storage keeps; a backup's repository of a test has a few hundred."""

MAX_EMULATED_STORAGE_BYTES = 64 << 20
"""The size of all of them together: they are in memory."""

MAX_PROXY_HEAD_BYTES = 16 << 10
"""The head of a request to the emulator's proxy; a CONNECT with all that clients add is a few hundred bytes."""

MAX_RECEIPT_BYTES = 1 << 20
"""The largest receipt that is read: room for all of `MAX_RECEIPT_ENTRIES`, with paths of usual length."""

MAX_RECEIPT_ENTRIES = 1_000
"""How many written files a receipt keeps, the newest ones: a HOME that many jobs share must not fill it for ever."""

MAX_DOCKER_CONFIG_BYTES = 1 << 20
"""The largest config of Docker's that is changed; one with many logins has a few KiB."""

MAX_SHELL_FILE_BYTES = 16 << 20
"""The largest file that exports are appended to; a shell reads the whole file in each step."""

PROXY_HEAD_SECONDS = 30
"""How long a client of the emulator's proxy has for its request's head, and for each step of TLS."""

PROXY_IDLE_SECONDS = 120
"""How long a connection through the emulator's proxy may say nothing; gRPC channels open a new one by themselves."""

CI_CONFIG_BYTES = 1_000_000
"""The largest config of a CI system that is read. The largest that vendors' own examples have is 60 KB."""

YAML_NODES = 50_000
"""The most values, keys included, that a YAML file may write down; a config of 3,000 lines has about 12,000."""

YAML_EXPANDED_NODES = 200_000
"""The most that it may have once each alias stands for what it names: aliases of aliases multiply without end."""

YAML_DEPTH = 64
"""How deep YAML may be nested; a CI config is about 15 deep."""

INSTALL_CHARACTERS = 1_000
"""The longest command that installs gcp-wif: one line of a shell script."""

MAX_CONFIG_BYTES = 64 * 1024
"""The largest file that is read as a credential config; real ones have about 1 KiB."""

MAX_CONFIG_DEPTH = 16
"""The deepest nesting of objects and arrays that `check` follows in a credential config; real ones have 4 levels."""

MAX_DIFF_LINES = 200
"""The most lines of a credential config that are compared with the manifest's; real ones have about 20."""

MAX_LINTED_BYTES = 1_000_000
"""The largest file that `check` looks at."""

MAX_FINDINGS_OF_A_KIND = 20
"""The most findings of one code that `check` prints for one file; the others are counted."""

MAX_MANIFEST_BYTES = 1_000_000
"""The largest manifest that is read; one of 200 identities has about 50 KB."""

EXECUTABLE_TIMEOUT_MILLIS = range(5_000, 120_001)
"""The timeouts of a program that client libraries take, in milliseconds (AIP-4117)."""

LIFETIME_SECONDS = range(600, 43_201)
"""The lifetimes of an account's token that gcloud 528 takes for a config."""

MAX_EXPRESSION = 2048
"""Google's limit for a mapping's expression, in characters (IAM REST v1, WorkloadIdentityPoolProvider)."""

MAX_CONDITION = 4096
"""Google's limit for a condition, in characters (likewise)."""

MAX_MANIFEST_PROBLEMS = 100
"""The most problems of one manifest that are listed; the others are counted."""

MAX_PAGE_ROWS = 400
"""The most rows of one table of an HTML page; the others are counted. Google allows 1,500 members in a policy."""

MAX_SUGGESTIONS = 20
"""The most unknown keys of one table that are answered with "did you mean …": each costs a fuzzy search."""

MAX_TOML_KEY_PARTS = 32
"""The most parts of a dotted TOML key. tomllib keeps each prefix, so that 20,000 dots take 1.5 GB (observed, 3.11)."""

AGENT_HOURS = 12.0
"""How long an agent lives at most, where nobody says it: longer than any CI system's usual limit for a job."""

AGENT_MOST_HOURS = 168.0
"""The longest that may be asked for: a week, more than any hosted job lasts."""

AGENT_SHORTEST_PAUSE_SECONDS = 5.0
AGENT_LONGEST_PAUSE_SECONDS = 60.0
"""The pauses between attempts of an agent to get a token from a CI system that fails: the first, which doubles, and the
longest."""

AGENT_GIVES_UP_SECONDS = 3_600.0
"""How long an agent whose token is dead goes on asking for another one."""

AGENT_LOOK_SECONDS = 2.0
"""How often an agent looks whether its config is still there, and whether a token is due."""

AGENT_START_SECONDS = 20.0
"""How long an agent may take to start, or to answer the command that wants something of it."""

AGENT_REQUEST_SECONDS = 5.0
"""How long a client of the agent has to send its request, and to take the answer."""

AGENT_CONNECTIONS = 32
"""How many clients an agent talks to at a time; of more, the one that has been silent for longest is let go."""

AGENT_HEAD_BYTES = 16 << 10
"""The largest head of a request to an agent; those of clients have a few hundred bytes."""

AGENT_ORDER_BYTES = 4 << 20
"""The largest order to an agent: it holds a job's environment, which may have 2 MiB (Linux, ``ARG_MAX``)."""

AGENT_ERRAND_SECONDS = 60.0
"""How long a child of the agent may take: longer than `ASK_SECONDS`, within which a CI system's program must answer."""

AGENT_ANSWER_BYTES = 64 << 10
"""The largest answer of such a child: a token, or an error."""

AGENT_LOG_BYTES = 64 << 10
"""How large an agent's log grows; then it begins anew. A line an hour is usual."""

AGENT_METADATA_GRANTS = 16
"""How many tokens a metadata server keeps, one for each set of scopes and each audience that clients ask for."""
