"""A year of a school of 2,000: how long its reports take, on both databases."""
