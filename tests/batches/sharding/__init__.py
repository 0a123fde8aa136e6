"""Tests of the numbers of shards."""
