"""The host loop and what it stands on."""
