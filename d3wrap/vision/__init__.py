"""Images: read from a folder or a zip file, and turned into features by a network somebody trained."""
