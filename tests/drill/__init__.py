"""A server for drills, built from `shared/` like any other: it asks, counts, dawdles, writes, and says what changed."""
