"""Running without anybody at the terminal: at login, restarted, telling of failures."""
