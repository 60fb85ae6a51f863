"""A job from its row to its workbook: its tasks, and what is asked of it and done to it."""
