"""What makes a mail safe: pure functions, without I/O. `composing.compose` is where they meet."""
