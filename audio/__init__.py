"""Everything that makes sound. Knows nothing of event loops, Telegram or HTTP."""
