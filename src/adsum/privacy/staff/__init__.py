"""Erases staff: their name, login and everything else that identifies them goes; what they recorded stays."""
