"""Read settings from YAML without surprises."""
