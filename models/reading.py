"""How much of the columns that other programs fill is read: no value of theirs floods its reader.

What a column holds is judged by whoever uses it. The statements that read them hold these numbers written out
(`tests/house/test_bounds_of_reading.py`); decision 23 says why each of them cannot fail.
"""

MAX_CONFIG = 65_536  # characters; and of the stored, compressed value a quarter of it
TOO_LONG = "…"  # what arrives, as a JSON string, instead of a configuration beyond that
MAX_INSTRUCTIONS = 100_000  # characters
MAX_NAME = 10_000
