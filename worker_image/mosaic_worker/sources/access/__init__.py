"""What requests may open: the gate, local files, and limits of look-ups."""
