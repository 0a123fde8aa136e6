"""Peers: the same work as Adsum's on other queues, in our own code."""
