"""The setup of a new school, step by step, and the start page of admins, which shows it."""
