"""The HTTP API of the running bot, for other programs and for the page."""
