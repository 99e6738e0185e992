"""Crier as a service, without a terminal: start at login, restarts, notifications."""
