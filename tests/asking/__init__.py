"""A server called mail, whose tools ask other servers in their callers' names."""
