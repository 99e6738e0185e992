"""Shared by tests: stand-ins, virtual loudspeakers, a terminal."""
