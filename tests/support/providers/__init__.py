"""Two independent OpenID Connect providers on loopback: the mock of PyPI, and a strict one with faults."""
