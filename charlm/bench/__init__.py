"""How fast this machine trains and samples, beside what others would do on it."""
