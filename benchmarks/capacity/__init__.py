"""The costs of an attendance, as measured, and the machines that a country needs, from a simulation of its peaks."""
