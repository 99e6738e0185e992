"""Makes sound. Does not depend on event loops, Telegram or HTTP."""
