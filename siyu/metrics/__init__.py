"""Numbers about fans: facts are rolled up into days, days into one row of metrics per fan."""
