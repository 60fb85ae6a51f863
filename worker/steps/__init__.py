"""One verb each, pure where possible. No step knows another; the pipeline puts them in order."""
