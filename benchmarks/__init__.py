"""What Adsum reaches, beside what others would run instead: `./adsum bench`."""
