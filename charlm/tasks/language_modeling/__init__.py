"""Language modelling: predict the next character."""
