"""Where there is no cluster: requests are taken from the database and worked off here, a whole one at a time."""
