"""The suite: stories of fans, told on SQLite and on PostgreSQL."""
