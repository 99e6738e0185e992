"""The start of a bot and of a room: their parts, made in order, and ended in reverse order."""
