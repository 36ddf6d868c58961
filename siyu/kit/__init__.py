"""Small tools every room needs: time, money, errors, the database. No word of the trade down here."""
