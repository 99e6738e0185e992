"""Tests of `bot/cli/`."""
