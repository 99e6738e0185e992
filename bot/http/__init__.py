"""The HTTP face: what other programs, and the page, can ask of the running bot."""
