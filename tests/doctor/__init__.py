"""Tests of `bot/doctor/`."""
