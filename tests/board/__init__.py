"""A small server with pages, for tests of the frame that they run on."""
