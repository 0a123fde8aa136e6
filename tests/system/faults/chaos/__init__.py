"""The long form of the fault tests, `./adsum chaos`. Each part adds its results to docs/reliability.md."""
