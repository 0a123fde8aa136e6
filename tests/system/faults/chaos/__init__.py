"""Chaos: the long form of the fault suite, `./adsum chaos`. Each part adds what it measured to docs/reliability.md."""
