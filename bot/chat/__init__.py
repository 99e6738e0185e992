"""Telegram: messages from chats, and the replies to them."""
