"""The admin pages: what an office and an admin change about their schools."""
