"""Running with nobody at the terminal: start at login, restarts, notifications."""
