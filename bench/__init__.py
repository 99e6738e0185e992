"""Measurements at the loudspeaker, side by side with what a user would pick instead."""
