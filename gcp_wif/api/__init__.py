"""The verbs of the public API: `login`, `plan`, `apply`, `diagnose`.

Each is one journey, as its command makes it, without the command line: arguments in, a frozen result or a
`gcp_wif.GcpWifError` out, and nothing is printed. The environment, the working folder and the clock are arguments;
where they are left out, `world` asks the process for them, and nothing else does.
"""
