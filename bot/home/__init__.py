"""Home Assistant: a voice for its assistant (Wyoming), and a device of its own (MQTT)."""
