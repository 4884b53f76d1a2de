"""What a network used: maps of attribution, the events beside them, and how far maps can be believed."""
