"""One message's life. Knows neither Telegram nor HTTP."""
