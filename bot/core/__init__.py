"""What happens to a message from its arrival to its end. Knows neither Telegram nor HTTP."""
