"""What an analysis came to and what a person decides: the verdict, the published question, decisions."""
