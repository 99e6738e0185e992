"""The window of frames that Kokoro decodes; see `audio.kokoro.graph`."""

FRAME_SAMPLES = 600
"""Samples of sound per frame of the decoder."""

WINDOW = ("first_token", "end_token", "lead_frames", "tail_frames")
"""The inputs that define the window, each one int64: the first and the end token, counted from the
first pad, and the number of frames to decode before and after them."""
