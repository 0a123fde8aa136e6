"""The data that users see and change of themselves: their name, and the language of their pages."""
