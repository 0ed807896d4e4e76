"""What hubs cost, and what they are compared with."""
