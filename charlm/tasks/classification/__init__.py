"""Classification: give each text one of several labels."""
