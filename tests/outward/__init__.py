"""A server for the story of a leak: it reads what outsiders wrote, what only insiders may know, and it sends."""
