"""Cover by teacher: the sessions of a teacher who is away, and who is free to take each."""
