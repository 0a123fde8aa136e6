"""`python -m benchmarks.webhooks`: events and webhooks, delivered to receivers on loopback.

The receivers answer 204 at once, and run in a process of their own. Postgres and Valkey are durable, as for the other
benchmarks. Only ratios to other runs on the same machine mean anything.
"""
