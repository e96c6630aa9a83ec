"""Regression: predict a number from the other columns of a row."""
