"""Text encoders that need weights, each registered like anybody's."""
