"""The corrected workbook: what its cells say, and how they are written."""
