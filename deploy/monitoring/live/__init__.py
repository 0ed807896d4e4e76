"""What deploy/monitoring/check is made of."""
