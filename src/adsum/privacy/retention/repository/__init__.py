"""Statements of retention."""
