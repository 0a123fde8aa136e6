"""What is played in each round; each scene starts its own processes, with data of their own."""
