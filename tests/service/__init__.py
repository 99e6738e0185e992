"""Tests of `bot/service/`."""
