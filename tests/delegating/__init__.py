"""Two servers of which one calls the other in its caller's name."""
