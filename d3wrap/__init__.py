"""d3wrap gives D³ training (ID²SD + O²DBD) to any generative model for generalized zero-shot learning."""
