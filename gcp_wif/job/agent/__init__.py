"""The agent of long jobs: one small background process that keeps the subject token fresh and serves it on loopback.

* `freshness` decides, without I/O: when a token is asked for again, and when there is no hope left.
* `requests` reads and answers HTTP, as much of it as is needed, in bounds.
* `process` is the agent itself; it imports little, so that it stays small.
* `errand` is a short-lived child of the agent, which asks the CI system as `gcp-wif token` does, or Google.
* `launch` is the side of `login`, `run` and `logout`: they start an agent, hand a new order to one, and end it.
* `order` is what passes between them.

Whoever sends the header that stands in the credential config (mode 0600) gets the token; nobody else gets anything.
"""
