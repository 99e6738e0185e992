"""Tests of `bot/http/`."""
