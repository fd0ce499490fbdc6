"""Class semantics out of names and descriptions, and how well they tell classes apart."""
