"""The Telegram face: what fans and staff meet in chat."""
