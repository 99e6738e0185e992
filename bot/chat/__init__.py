"""Telegram: what comes from chats, and what is said in them."""
