"""Peers: the same work on other queues, in our own code."""
