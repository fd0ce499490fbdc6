"""Search for the settings of each arm in validation worlds, both arms with the same budget."""
