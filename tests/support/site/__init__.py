"""The documentation as a site: `./adsum docs`."""
