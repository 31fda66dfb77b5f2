"""Limits of what is read, kept and waited for, in one place. No imports: every run of a command may load this."""

LOCK_SECONDS = 20.0
"""How long to wait for another run of gcp-wif that writes the same file: far longer than any such write takes."""

MAX_PROVEN_BYTES = 1 << 20
"""The largest file whose content `logout` compares with the receipt; what login writes is far smaller."""

MAX_PROXY_HEAD_BYTES = 16 << 10
"""The head of a request to the emulator's proxy; a CONNECT with all that clients add is a few hundred bytes."""

MAX_RECEIPT_BYTES = 1 << 20
"""The largest receipt that is read: room for all of `MAX_RECEIPT_ENTRIES`, with paths of usual length."""

MAX_RECEIPT_ENTRIES = 1_000
"""How many written files a receipt keeps, the newest ones: a HOME that many jobs share must not fill it for ever."""

MAX_SHELL_FILE_BYTES = 16 << 20
"""The largest file that exports are appended to; a shell reads the whole file in each step."""

PROXY_HEAD_SECONDS = 30
"""How long a client of the emulator's proxy has for its request's head, and for each step of TLS."""

PROXY_IDLE_SECONDS = 120
"""How long a connection through the emulator's proxy may say nothing; gRPC channels open a new one by themselves."""
