"""Turn foreign generators into what the core drives."""
