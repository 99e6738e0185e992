"""Tests of `bot/setup/` and of scripts/setup.py."""
