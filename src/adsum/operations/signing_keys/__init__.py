"""The signing keys of an installation: shows them, and replaces the one that signs."""
