"""Servers, fixtures and builders shared by the tests of all features."""
