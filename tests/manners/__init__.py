"""Tests of bot/manners: real streams on PulseAudio, real D-Bus, stand-ins for a Mac."""
