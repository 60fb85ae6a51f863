"""What a model is worth: measured on known keys, learned from what people decided."""
