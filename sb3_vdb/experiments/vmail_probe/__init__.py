"""What the world model of V-MAIL holds of the true state, by its settings."""
