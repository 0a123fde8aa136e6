"""Servers, fixtures and builders that the tests of all features share."""
